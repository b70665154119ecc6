// The most frequent values of a field as bars, each a link to its queries.

import { Index, Show, type JSX } from "solid-js";
import { compact } from "../lib/format.ts";

export interface BarLine {
  /** What may be cut short, before the part that is always shown. */
  head: string;
  tail: string;
  title: string;
  count: number;
  href: string;
}

export function Bars(props: { title: string; lines: BarLine[]; other?: number; none: string }): JSX.Element {
  const most = () => Math.max(1, ...props.lines.map((line) => line.count));
  return (
    <section class="bars">
      <h3>{props.title}</h3>
      <ol class="top-list">
        <Index each={props.lines} fallback={<li class="muted none">{props.none}</li>}>
          {(line) => (
            <li classList={{ zero: line().count === 0 }}>
              <a href={line().href} style={{ "--share": `${(100 * line().count) / most()}%` }} title={line().title}>
                <span class="top-name domain">
                  <span class="domain-head">{line().head}</span>
                  <span class="domain-tail">{line().tail}</span>
                </span>
                <span class="top-count">{compact(line().count)}</span>
              </a>
            </li>
          )}
        </Index>
        <Show when={(props.other ?? 0) > 0}>
          <li class="muted none others">
            <span>others</span> <span>{compact(props.other ?? 0)}</span>
          </li>
        </Show>
      </ol>
    </section>
  );
}
