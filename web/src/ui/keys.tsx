// The keyboard: what counts as typing, and the list of keys.

import { For, onMount, type JSX } from "solid-js";
import { Icon } from "./parts.tsx";

/** Whether a key press belongs to something one types or chooses in. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest("input, textarea, select, [contenteditable], dialog, [popover]") !== null
  );
}

const KEYS: [string, string][] = [
  ["/", "search"],
  ["Enter", "run the search, open the row"],
  ["↑ in the box", "searches that ran before"],
  ["j  k", "next and previous row"],
  ["←  →", "cell to the left and right"],
  ["f", "keep to the value of the cell"],
  ["x", "leave the value of the cell out"],
  ["Alt + click", "keep to a value"],
  ["Alt + Shift + click", "leave a value out"],
  ["Esc", "close"],
  ["l", "live"],
  ["t", "time range"],
  ["[  ]", "earlier, later"],
  ["z", "wider"],
  ["g o", "overview"],
  ["g q", "query log"],
  ["?", "this list"],
];

export function Help(props: { onClose: () => void }): JSX.Element {
  let dialog!: HTMLDialogElement;
  onMount(() => dialog.showModal());
  return (
    <dialog
      class="help"
      ref={dialog}
      onClose={() => props.onClose()}
      aria-labelledby="help-title"
      onClick={(event) => event.target === dialog && dialog.close()}
    >
      <div class="help-body">
        <header>
          <h2 id="help-title">Keys</h2>
          <button type="button" class="icon-button" aria-label="Close" onClick={() => dialog.close()}>
            <Icon name="close" />
          </button>
        </header>
        <dl>
          <For each={KEYS}>
            {([key, about]) => (
              <>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{about}</dd>
              </>
            )}
          </For>
        </dl>
      </div>
    </dialog>
  );
}
