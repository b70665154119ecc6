// The most frequent values of a field as bars, each a link to its queries.

import { For, Show, type JSX } from "solid-js";

export interface BarLine {
  name: JSX.Element;
  title: string;
  count: number;
  href: string;
}

export function Bars(props: {
  title: string;
  lines: BarLine[];
  other?: number;
  total: number;
  format: (count: number) => string;
  none: string;
}): JSX.Element {
  const most = () => Math.max(1, ...props.lines.map((line) => line.count));
  return (
    <section class="bars">
      <h3>{props.title}</h3>
      <ol class="top-list">
        <For each={props.lines} fallback={<li class="muted none">{props.none}</li>}>
          {(line) => (
            <li classList={{ zero: line.count === 0 }}>
              <a href={line.href} style={{ "--share": `${(100 * line.count) / most()}%` }} title={line.title}>
                <span class="top-name">{line.name}</span>
                <span class="top-count">{props.format(line.count)}</span>
              </a>
            </li>
          )}
        </For>
        <Show when={(props.other ?? 0) > 0}>
          <li class="muted none others">
            <span>others</span> <span>{props.format(props.other ?? 0)}</span>
          </li>
        </Show>
      </ol>
    </section>
  );
}
