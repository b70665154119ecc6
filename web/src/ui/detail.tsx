// One query, entire: what happened and why, the walk of the decision, every fact.

import { For, onCleanup, onMount, Show, type JSX } from "solid-js";
import { api, type EventRow } from "../api.ts";
import { digCommand } from "../lib/dig.ts";
import { EMPTY, dayClock, milliseconds, zone } from "../lib/format.ts";
import { createQuery } from "../lib/query.ts";
import { href } from "../lib/router.ts";
import { codeEntry, edes, status } from "../lib/server.ts";
import type { FilterMode } from "../search/tokens.ts";
import { CodeName, CopyButton, Failed, Icon, Pending, Prose } from "./parts.tsx";

/** A stage that changed nothing needs no word. */
const EFFECT_WORDS: Record<string, string> = { pass: "", match: "matched", decide: "decided", fail: "failed" };

export function Detail(props: {
  id: string;
  onClose: () => void;
  onFilter: (field: string, value: string, mode: FilterMode) => void;
  onMove: (by: number) => void;
}): JSX.Element {
  const query = createQuery(
    () => props.id,
    (id, signal) => api.row(id, signal),
  );
  // Closing gives the focus back to where it was.
  onMount(() => {
    const before = document.activeElement;
    onCleanup(() => {
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    });
  });
  return (
    <aside class="drawer" aria-label="Query detail">
      <header class="drawer-head">
        <h2>Query</h2>
        <div class="drawer-tools">
          <button
            type="button"
            class="icon-button"
            title="Newer  k"
            aria-label="Newer query"
            onClick={() => props.onMove(-1)}
          >
            <span class="turn">
              <Icon name="down" />
            </span>
          </button>
          <button
            type="button"
            class="icon-button"
            title="Older  j"
            aria-label="Older query"
            onClick={() => props.onMove(1)}
          >
            <Icon name="down" />
          </button>
          <button
            type="button"
            class="icon-button"
            title="Close  Esc"
            aria-label="Close"
            onClick={() => props.onClose()}
          >
            <Icon name="close" />
          </button>
        </div>
      </header>
      <Pending query={query} />
      <Show when={query.error()}>{(error) => <Failed error={error()} onRetry={query.reload} what="This query" />}</Show>
      <Show when={query.error() === undefined ? query.data() : undefined}>
        {(detail) => (
          <div class="drawer-body" classList={{ dim: query.pace() === "slow" }}>
            <p class="summary-code">
              <Show when={detail().row.code} fallback={<CodeName name={null} family={null} />}>
                {(code) => (
                  <a class="code-link" href={href({ page: "code", code: code(), q: "" })}>
                    <CodeName name={code()} family={detail().row.code_family} />
                  </a>
                )}
              </Show>
              <span class={`action action-${detail().row.action}`}>{detail().row.action}</span>
            </p>
            <p class="summary-domain">
              {detail().row.domain ?? "no question"} <span class="muted">{detail().row.qtype}</span>
            </p>
            <p class="summary">{detail().summary}</p>
            <div class="drawer-actions">
              <CopyButton label="Copy as dig" text={() => digCommand(detail().row, status.data()?.listeners ?? [])} />
              <CopyButton label="Copy JSON" text={() => JSON.stringify(detail(), null, 2)} />
            </div>
            <Show when={detail().trace.length > 0}>
              <h3>Decision</h3>
              <ol class="trace">
                <For each={detail().trace}>
                  {(step) => (
                    <li class={`trace-step effect-${step.effect}`}>
                      <span class="trace-stage">{step.stage}</span>
                      <span class="trace-effect">{EFFECT_WORDS[step.effect] ?? step.effect}</span>
                      <span class="trace-finding">{step.finding}</span>
                    </li>
                  )}
                </For>
              </ol>
            </Show>
            <Facts row={detail().row} onFilter={props.onFilter} />
          </div>
        )}
      </Show>
    </aside>
  );
}

function Facts(props: {
  row: EventRow;
  onFilter: (field: string, value: string, mode: FilterMode) => void;
}): JSX.Element {
  const row = () => props.row;
  const code = () => codeEntry(row().code);
  const number = (value: number | null) => (value === null ? EMPTY : String(value));
  const fact = (title: string, value: JSX.Element, filter?: [string, string | null]) => (
    <>
      <dt>{title}</dt>
      <dd>
        <span class="fact">{value}</span>
        <Show when={filter?.[1]}>
          {(text) => (
            <span class="fact-tools">
              <button
                type="button"
                class="icon-button"
                title={`Only this ${title.toLowerCase()}`}
                aria-label={`Only this ${title.toLowerCase()}`}
                onClick={() => props.onFilter(filter?.[0] ?? "", text(), "only")}
              >
                <Icon name="plus" />
              </button>
              <button
                type="button"
                class="icon-button"
                title={`Without this ${title.toLowerCase()}`}
                aria-label={`Without this ${title.toLowerCase()}`}
                onClick={() => props.onFilter(filter?.[0] ?? "", text(), "exclude")}
              >
                <Icon name="minus" />
              </button>
            </span>
          )}
        </Show>
      </dd>
    </>
  );
  return (
    <>
      <h3>Return code</h3>
      <Show when={code()}>
        {(entry) => (
          <p class="muted code-meaning">
            <Prose text={entry().meaning} />{" "}
            <a class="nowrap" href={href({ page: "code", code: entry().name, q: "" })}>
              What to do about {entry().name}
            </a>
          </p>
        )}
      </Show>
      <table class="places">
        <caption class="off-screen">The four places a code can travel</caption>
        <thead>
          <tr>
            <th scope="col">Header</th>
            <th scope="col">RCODE</th>
            <th scope="col">TSIG</th>
            <th scope="col">TKEY</th>
          </tr>
        </thead>
        <tbody>
          <tr>
            <td>{number(row().rcode_header)}</td>
            <td>{number(row().rcode)}</td>
            <td>{number(row().tsig_error)}</td>
            <td>{number(row().tkey_error)}</td>
          </tr>
        </tbody>
      </table>
      <Show when={row().ede.length > 0}>
        <ul class="ede">
          <For each={row().ede}>
            {(ede) => (
              <li>
                <a
                  href={href({ page: "codes", ede: String(ede.code), q: "" })}
                  title={edes().find((one) => one.number === ede.code)?.meaning ?? ""}
                >
                  <b>EDE {ede.code}</b> {ede.name}
                </a>
                <Show when={ede.text !== ""}>
                  <q>{ede.text}</q>
                </Show>
              </li>
            )}
          </For>
        </ul>
      </Show>

      <h3>Question</h3>
      <dl class="facts">
        {fact(
          "Time",
          <>
            {dayClock(Date.parse(row().time), "ms")} <span class="muted">{zone(Date.parse(row().time))}</span>
          </>,
        )}
        {fact(
          "Client",
          <>
            {row().client} <span class="muted">port {row().client_port}</span>
          </>,
          ["client", row().client],
        )}
        {fact("Transport", row().transport, ["transport", row().transport])}
        {fact("Domain", row().domain ?? EMPTY, ["domain", row().domain])}
        {fact("Registrable", row().reg_domain ?? EMPTY, ["reg_domain", row().reg_domain])}
        {fact("Type", `${row().qtype} ${row().qclass}`, ["qtype", row().qtype])}
        {fact("Opcode", row().opcode, ["opcode", row().opcode])}
        {fact("Flags", row().flags.join(" ") || EMPTY)}
        {fact("Key", row().key ?? EMPTY, ["key", row().key])}
        <Show when={row().update}>{(update) => fact("Update", update())}</Show>
        <Show when={row().repeats > 0}>{fact("Repeats", `${row().repeats} more of the same kind in that second`)}</Show>
      </dl>

      <h3>Policy</h3>
      <dl class="facts">
        {fact("Action", row().action, ["action", row().action])}
        {fact("List", row().list ?? EMPTY, ["list", row().list])}
        {fact("Rule", row().rule ?? EMPTY)}
      </dl>

      <h3>Answer</h3>
      <dl class="facts">
        {fact("Outcome", row().outcome, ["outcome", row().outcome])}
        {fact(
          "Records",
          row().answer_count === 0 ? EMPTY : `${row().answer_count}, smallest TTL ${number(row().ttl)} s`,
        )}
      </dl>
      <Show when={row().answer}>
        {(answer) => (
          <ul class="answers">
            <For each={answer().split(/, (?=[A-Z0-9]+ )/)}>{(one) => <li>{one}</li>}</For>
          </ul>
        )}
      </Show>

      <h3>Time and size</h3>
      <dl class="facts">
        {fact("Latency", milliseconds(row().latency_ms))}
        {fact("Cache", row().cache, ["cache", row().cache])}
        {fact("Upstream", row().upstream ?? EMPTY, ["upstream", row().upstream])}
        {fact(
          "Upstream took",
          row().upstream_latency_ms === null
            ? EMPTY
            : `${milliseconds(row().upstream_latency_ms)}, ${row().attempts} ${row().attempts === 1 ? "attempt" : "attempts"}`,
        )}
        {fact("Query", `${row().query_size} B`)}
        {fact("Reply", row().reply_size === 0 ? EMPTY : `${row().reply_size} B`)}
        {fact("Row", row().id)}
      </dl>
    </>
  );
}
