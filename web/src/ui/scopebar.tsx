// The head of a page that counts: its title, the time range, the search that narrows it, and their keys.

import { createEffect, createMemo, createSignal, on, onCleanup, onMount, Show, type JSX } from "solid-js";
import type { ApiError, Range, Scope } from "../api.ts";
import { span, zone } from "../lib/format.ts";
import { go, route } from "../lib/router.ts";
import { shift, widen, type TimeRange } from "../lib/time.ts";
import { remember } from "../search/history.ts";
import { isForPage } from "./keys.tsx";
import { RangePicker } from "./range.tsx";
import { SearchBox } from "./searchbox.tsx";

export interface ScopeBarProps {
  title: JSX.Element;
  scope: Scope;
  /** The range as the server resolved it. */
  range: Range | undefined;
  /** What the search ended with, should it be the search's own fault. */
  error: ApiError | undefined;
  /** The search ran again as it was. */
  onRun: () => void;
  /** Keys of the page itself. */
  keys: Record<string, () => void>;
}

/** A search that cannot be read is shown where it is written, not in each widget. */
export function elsewhere(error: ApiError | undefined): ApiError | undefined {
  return error !== undefined && error.faults.length > 0 ? undefined : error;
}

export function ScopeBar(props: ScopeBarProps): JSX.Element {
  let input!: HTMLInputElement;
  let rangeButton!: HTMLButtonElement;
  const [draft, setDraft] = createSignal(route().q);
  const ran = createMemo(() => route().q);
  createEffect(on(ran, (q) => setDraft(q), { defer: true }));
  createEffect(on(ran, remember));

  const resolved = () =>
    props.range === undefined ? null : { from: Date.parse(props.range.from), to: Date.parse(props.range.to) };
  const setRange = (range: TimeRange) => go({ from: range.from, to: range.to, sel: "" });

  onMount(() => {
    const keys: Record<string, () => void> = {
      "/": () => input.focus(),
      t: () => rangeButton.click(),
      "[": () => setRange(shift(route(), -1, Date.now())),
      "]": () => setRange(shift(route(), 1, Date.now())),
      z: () => setRange(widen(route(), Date.now())),
    };
    const key = (event: KeyboardEvent) => {
      if (!isForPage(event)) return;
      const onControl =
        event.target instanceof Element && event.target.closest("button, a, summary, .brush, [role=grid]") !== null;
      if (onControl && (event.key === "Enter" || event.key.startsWith("Arrow"))) return;
      const act = keys[event.key] ?? props.keys[event.key];
      if (act === undefined) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", key);
    onCleanup(() => document.removeEventListener("keydown", key));
  });

  return (
    <>
      <div class="page-head">
        {props.title}
        <span class="page-range muted">
          <Show when={resolved()}>
            {(at) => (
              <>
                {span(at().from, at().to)} <span class="zone">{zone(at().to)}</span>
              </>
            )}
          </Show>
        </span>
        <RangePicker
          range={route()}
          resolved={resolved()}
          onChange={setRange}
          ref={(button) => (rangeButton = button)}
        />
      </div>
      <SearchBox
        draft={draft()}
        onDraft={setDraft}
        onRun={(q) => {
          if (q === route().q) props.onRun();
          go({ q, sel: "" });
        }}
        faults={props.error?.faults ?? []}
        faultsOf={route().q}
        scope={props.scope}
        ref={(element) => (input = element)}
      />
    </>
  );
}
