// Nothing to show: a new install says how to make a first query; a search that finds nothing says what to let go of.

import { createMemo, For, Show, type JSX } from "solid-js";
import { api, type Scope } from "../api.ts";
import { digCommand } from "../lib/dig.ts";
import { count } from "../lib/format.ts";
import { createQuery } from "../lib/query.ts";
import { status } from "../lib/server.ts";
import { terms, withoutTerm } from "../search/tokens.ts";
import { CopyButton } from "./parts.tsx";

/** Terms tried one by one when a search finds nothing. */
const TERMS_TRIED = 6;

export function FirstQuery(): JSX.Element {
  const command = () =>
    digCommand(
      { domain: "example.com", qtype: "A", qclass: "IN", transport: "udp", flags: ["RD", "EDNS"] },
      status.data()?.listeners ?? [],
    );
  return (
    <div class="empty">
      <div class="empty-pulse" aria-hidden="true">
        <span />
        <span />
        <span />
      </div>
      <h2>No queries yet</h2>
      <p>Test it:</p>
      <p class="command">
        <code>{command()}</code>
        <CopyButton label="Copy" text={command} />
      </p>
      <p class="muted">This page is waiting and fills by itself.</p>
    </div>
  );
}

export function NothingFound(props: {
  scope: Scope;
  onSearch: (q: string) => void;
  onWiden: () => void;
  wider: string;
}): JSX.Element {
  const candidates = createMemo(() => {
    const read = terms(props.scope.q);
    return read.either
      ? []
      : read.terms
          .slice(0, TERMS_TRIED)
          .map((term, index) => ({ text: term.text, q: withoutTerm(props.scope.q, index) }));
  });
  const tried = createQuery(
    () => ({ from: props.scope.from, to: props.scope.to, candidates: candidates() }),
    async ({ from, to, candidates: all }, signal) => {
      const totals = await Promise.all(all.map((one) => api.top({ q: one.q, from, to }, "action", 1, signal)));
      return all.map((one, index) => ({ ...one, total: totals[index]?.total ?? 0 })).sort((a, b) => b.total - a.total);
    },
  );
  return (
    <div class="empty">
      <h2>{props.scope.q === "" ? "No queries in this range" : "No query matches"}</h2>
      <Show when={props.scope.q !== ""}>
        <ul class="drop-terms">
          <For each={tried.data()?.filter((one) => one.total > 0)}>
            {(one) => (
              <li>
                <button type="button" class="button" onClick={() => props.onSearch(one.q)}>
                  Without <code>{one.text}</code>: {count(one.total)} {one.total === 1 ? "query" : "queries"}
                </button>
              </li>
            )}
          </For>
        </ul>
      </Show>
      <button type="button" class="button" onClick={() => props.onWiden()}>
        {props.wider}
      </button>
    </div>
  );
}
