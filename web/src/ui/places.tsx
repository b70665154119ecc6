// Where a code travels: the reply drawn as the four places that can hold one, with this code's place marked.

import { For, Show, type JSX } from "solid-js";
import type { CodePlace } from "../api.ts";

export interface PlaceBox {
  place: string;
  bits: string;
  /** What stands there; null where there is nothing. */
  value: string | null;
  note: string;
  /** Whether the code, or a part of it, is here. */
  here: boolean;
}

/** The four places of a reply that carries a code of this number in one of them. */
export function boxes(number: number, name: string, at: CodePlace): PlaceBox[] {
  const opt = at.place === "header + OPT";
  const own = (place: string) => at.place === place;
  const record = (place: string, title: string): PlaceBox => ({
    place: title,
    bits: "16 bits",
    value: own(place) ? String(number) : null,
    note: own(place) ? name : "",
    here: own(place),
  });
  return [
    {
      place: "Header",
      bits: "4 bits",
      value: String(at.header),
      note: own("header") || !opt ? at.header_name : `alone: ${at.header_name}`,
      here: own("header") || opt,
    },
    {
      place: "OPT",
      bits: "8 bits",
      value: opt ? String(number >> 4) : null,
      note: opt ? `${number >> 4} × 16 + ${at.header} = ${number}` : "",
      here: opt,
    },
    record("TSIG error", "TSIG error"),
    record("TKEY error", "TKEY error"),
  ];
}

/** The usual places of a number that has no name, by what it fits into. */
export function placesOf(number: number): CodePlace[] {
  if (number <= 15) return [{ place: "header", column: "rcode_header", header: number, header_name: `CODE${number}` }];
  if (number > 4095) return [];
  return [{ place: "header + OPT", column: "rcode", header: number & 15, header_name: String(number & 15) }];
}

export function Places(props: { number: number; name: string; places: CodePlace[] }): JSX.Element {
  return (
    <For each={props.places}>
      {(at) => (
        <figure class="wire-places">
          <figcaption class="off-screen">{sentence(props.name, props.number, at)}</figcaption>
          <ol aria-hidden="true">
            <For each={boxes(props.number, props.name, at)}>
              {(box) => (
                <li classList={{ here: box.here, vacant: box.value === null }}>
                  <span class="wire-place">{box.place}</span>
                  <span class="wire-value">{box.value ?? "–"}</span>
                  <span class="wire-note">{box.note === "" ? box.bits : box.note}</span>
                </li>
              )}
            </For>
          </ol>
          <p class="muted">{sentence(props.name, props.number, at)}</p>
        </figure>
      )}
    </For>
  );
}

function sentence(name: string, number: number, at: CodePlace): string {
  if (at.place === "header") return "In the four bits of the header, where every DNS program looks.";
  if (at.place === "header + OPT")
    return `Upper bits in the OPT record, lower four in the header: whoever reads the header alone sees ${at.header} ${at.header_name}.`;
  const record = at.place.replace(" error", "");
  return `In the error field of the ${record} record; the header beside it says ${at.header} ${at.header_name}, which is not ${number} ${name}.`;
}

/** A line of counted values, each a link to its queries. */
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
