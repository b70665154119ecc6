// Where a code travels: the reply drawn as the four places that can hold one, with this code's place marked.

import { For, type JSX } from "solid-js";
import type { CodePlace } from "../api.ts";
import { boxes, sentence } from "../lib/places.ts";

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
