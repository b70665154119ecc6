// The keyboard: what counts as typing, and the list of keys.

import { createSignal, For, onMount, type JSX } from "solid-js";
import { Icon } from "./parts.tsx";

/** Whether a key press belongs to something one types or chooses in. */
export function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.closest("input, textarea, select, [contenteditable], dialog, [popover]") !== null
  );
}

const SETTING = "nameward.keys";
const [single, setSingle] = createSignal(window.localStorage.getItem(SETTING) !== "off");

/** Whether a key press is for the page: not typing, no modifier, and letters only where they were not switched off (WCAG 2.1.4). */
export function isForPage(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return false;
  return event.key.length > 1 || event.key === "?" || single();
}

function switchSingle(on: boolean): void {
  window.localStorage.setItem(SETTING, on ? "on" : "off");
  setSingle(on);
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
  ["g c", "return codes"],
  ["n  p", "next and previous code, on a code's page"],
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
        <label class="help-switch">
          <input type="checkbox" checked={single()} onChange={(event) => switchSingle(event.currentTarget.checked)} />
          Keys of a single letter or sign
        </label>
      </div>
    </dialog>
  );
}
