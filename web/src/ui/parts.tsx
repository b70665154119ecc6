// Small parts: icons, code swatches, popovers, copy buttons, and what a widget says when it has nothing to show.

import { createSignal, createUniqueId, For, type JSX, Show } from "solid-js";
import type { ApiError } from "../api.ts";
import { codeShade, cssShade, FAMILY_SIGNS, FAMILY_TITLES, isFamily, type Shade } from "../lib/codes.ts";
import { copyText } from "../lib/copy.ts";
import type { Query } from "../lib/query.ts";
import { codeAbout } from "../lib/server.ts";

const ICONS = {
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM20 20l-4-4",
  close: "M6 6l12 12M18 6L6 18",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  copy: "M9 9h10v10H9zM5 15V5h10",
  play: "M8 5.500v13l10-6.500z",
  pause: "M8 5v14M16 5v14",
  down: "M6 9.500l6 6 6-6",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M5 19l2-2M17 7l2-2",
  moon: "M20 14.500A8.500 8.500 0 1 1 9.500 4a7 7 0 0 0 10.500 10.500z",
  auto: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  filter: "M4 6h16M7 12h10M10 18h4",
  out: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM20 20l-4-4M8 11h6",
  clock: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7.500V12l3 2",
  check: "M5 12.500l4.500 4.500L19 7.500",
  help: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9.500 9.500a2.500 2.500 0 1 1 3.500 2.300c-.7.4-1 .9-1 1.700M12 16.800v.2",
} as const;

export function Icon(props: { name: keyof typeof ICONS }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={ICONS[props.name]} />
    </svg>
  );
}

export function Mark(): JSX.Element {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
      <path
        class="mark-shield"
        d="M16 1.500 28.500 6v9.600c0 7-5 12.400-12.500 14.900C8.500 28 3.500 22.600 3.500 15.600V6z"
      />
      <path class="mark-letter" d="M9 9.500h3.800l6.400 8.300V9.500H23v13h-3.600l-6.600-8.600v8.600H9z" />
    </svg>
  );
}

export function Swatch(props: { shade: Shade; hollow?: boolean }): JSX.Element {
  return (
    <span class="swatch" classList={{ hollow: props.hollow === true }} style={{ "--shade": cssShade(props.shade) }} />
  );
}

/** A return code as text with its colour; `no reply` where there was none. */
export function CodeName(props: { name: string | null; family?: string | null }): JSX.Element {
  return (
    <span class="code-name" title={codeAbout(props.name)}>
      <Swatch shade={codeShade(props.name, props.family)} hollow={props.name === null} />
      {props.name ?? "no reply"}
    </span>
  );
}

/** A family's sign in the colour of a code, named for those who do not see it. */
export function FamilySign(props: { family: string | null; shade: Shade }): JSX.Element {
  const family = () => (props.family !== null && isFamily(props.family) ? props.family : null);
  return (
    <Show when={family()} fallback={<span class="swatch hollow" />}>
      {(known) => (
        <svg
          class="sign"
          viewBox="0 0 12 12"
          role="img"
          aria-label={FAMILY_TITLES[known()]}
          style={{ "--shade": cssShade(props.shade) }}
        >
          <title>{FAMILY_TITLES[known()]}</title>
          <path d={FAMILY_SIGNS[known()]} />
        </svg>
      )}
    </Show>
  );
}

/** A text of the registry: what stands between backticks is set as code. */
export function Prose(props: { text: string }): JSX.Element {
  return <For each={props.text.split("`")}>{(part, index) => (index() % 2 === 1 ? <code>{part}</code> : part)}</For>;
}

/** What usually lies behind something, and what to do next. */
export function Told(props: { causes: string[]; next: string[] }): JSX.Element {
  return (
    <>
      <Show when={props.next.length > 0}>
        <h3>What to do next</h3>
        <ol class="told">
          <For each={props.next}>
            {(one) => (
              <li>
                <Prose text={one} />
              </li>
            )}
          </For>
        </ol>
      </Show>
      <Show when={props.causes.length > 0}>
        <h3>Usual causes</h3>
        <ul class="told">
          <For each={props.causes}>
            {(one) => (
              <li>
                <Prose text={one} />
              </li>
            )}
          </For>
        </ul>
      </Show>
    </>
  );
}

export function CopyButton(props: { text: () => string; label: string; class?: string }): JSX.Element {
  const [done, setDone] = createSignal(false);
  const copy = async () => {
    if (!(await copyText(props.text()))) return;
    setDone(true);
    window.setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" class={props.class ?? "button small"} onClick={() => void copy()}>
      <Icon name={done() ? "check" : "copy"} />
      {done() ? "Copied" : props.label}
    </button>
  );
}

const EDGE = 8;

/** A button with a native popover below it, kept inside the window. */
export function Popover(props: {
  label: JSX.Element;
  title: string;
  class?: string;
  panelClass?: string;
  /** Called when it opens; gets a way to close it. */
  onOpen?: (close: () => void) => void;
  ref?: (button: HTMLButtonElement) => void;
  children: (close: () => void) => JSX.Element;
}): JSX.Element {
  const id = createUniqueId();
  const [open, setOpen] = createSignal(false);
  let button!: HTMLButtonElement;
  let panel!: HTMLDivElement;
  const close = () => panel.hidePopover();
  const place = () => {
    const at = button.getBoundingClientRect();
    const size = panel.getBoundingClientRect();
    const left = Math.max(EDGE, Math.min(at.left, window.innerWidth - size.width - EDGE));
    panel.style.left = `${left}px`;
    panel.style.top = `${at.bottom + 4}px`;
    panel.style.maxHeight = `${window.innerHeight - at.bottom - 4 - EDGE}px`;
  };
  const toggled = (event: Event) => {
    const opened = (event as ToggleEvent).newState === "open";
    setOpen(opened);
    if (!opened) return;
    props.onOpen?.(close);
    place();
    panel.querySelector<HTMLElement>("[data-first], [aria-current=true]")?.focus();
  };
  return (
    <>
      <button
        type="button"
        class={props.class ?? "button"}
        ref={(element) => {
          button = element;
          props.ref?.(element);
        }}
        popovertarget={id}
        aria-expanded={open()}
        title={props.title}
      >
        {props.label}
      </button>
      <div
        id={id}
        class={`popover ${props.panelClass ?? ""}`}
        popover="auto"
        ref={panel}
        onToggle={toggled}
        role="dialog"
        aria-label={props.title}
      >
        <Show when={open()}>{props.children(close)}</Show>
      </div>
    </>
  );
}

/** The thin bar above a widget whose answer takes long, or the reason it has none. */
export function Pending(props: { query: Query<unknown> }): JSX.Element {
  const slow = () => props.query.pace() === "slow" || props.query.pace() === "very slow";
  return (
    <>
      <div class="bar" classList={{ running: slow() }} />
      <Show when={props.query.pace() === "very slow"}>
        <button type="button" class="button small cancel" onClick={() => props.query.cancel()}>
          Cancel
        </button>
      </Show>
    </>
  );
}

export function Failed(props: { error: ApiError; onRetry: () => void; what: string }): JSX.Element {
  return (
    <div class="failed" role="alert">
      <strong>{props.what} cannot be shown.</strong>{" "}
      <span>
        {props.error.title}
        {props.error.detail === "" ? "" : `: ${props.error.detail}`}
      </span>{" "}
      <button type="button" class="button small" onClick={() => props.onRetry()}>
        Retry
      </button>
    </div>
  );
}

/** A line of a few values, without axes: it shows the shape, the figure beside it the size. */
export function Sparkline(props: { values: number[]; shade: Shade }): JSX.Element {
  const WIDTH = 100;
  const HEIGHT = 24;
  const points = () => {
    const max = Math.max(...props.values, 0);
    const step = WIDTH / Math.max(1, props.values.length - 1);
    return props.values.map((value, index) => {
      const y = HEIGHT - 1.5 - (max === 0 ? 0 : (value / max) * (HEIGHT - 3));
      return `${(index * step).toFixed(1)},${y.toFixed(1)}`;
    });
  };
  return (
    <svg
      class="sparkline"
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      style={{ "--shade": cssShade(props.shade) }}
    >
      <Show when={props.values.length > 1}>
        <path class="area" d={`M0,${HEIGHT} L${points().join(" L")} L${WIDTH},${HEIGHT} Z`} />
        <polyline points={points().join(" ")} />
      </Show>
    </svg>
  );
}
