// The time range: presets, a range of one's own, a step back or forth, wider.

import { createSignal, For, type JSX } from "solid-js";
import { span, zone } from "../lib/format.ts";
import { absolute, PRESETS, resolve, shift, toLocalInput, widen, type TimeRange } from "../lib/time.ts";
import { Icon, Popover } from "./parts.tsx";

export function rangeLabel(range: TimeRange): string {
  const preset = PRESETS.find((one) => one.from === range.from && range.to === "now");
  if (preset !== undefined) return preset.label;
  const relative = /^now-(\d+)([smhdw])$/.exec(range.from);
  if (relative !== null && range.to === "now") return `Last ${relative[1] ?? ""} ${relative[2] ?? ""}`;
  const { from, to } = resolve(range, Date.now());
  return span(from, to);
}

export function RangePicker(props: {
  range: TimeRange;
  /** The instants the range stands for now, as the server resolved them. */
  resolved: { from: number; to: number } | null;
  onChange: (range: TimeRange) => void;
  ref?: (button: HTMLButtonElement) => void;
}): JSX.Element {
  const instants = () => props.resolved ?? resolve(props.range, Date.now());
  return (
    <div class="range" role="group" aria-label="Time range">
      <button
        type="button"
        class="button icon-only"
        title="Earlier  ["
        aria-label="Earlier"
        onClick={() => props.onChange(shift(props.range, -1, Date.now()))}
      >
        <Icon name="left" />
      </button>
      <Popover
        title="Time range"
        class="button range-label"
        panelClass="range-panel"
        ref={(button) => props.ref?.(button)}
        label={
          <>
            <Icon name="clock" />
            <span>{rangeLabel(props.range)}</span>
            <Icon name="down" />
          </>
        }
      >
        {(close) => (
          <RangeForm
            range={props.range}
            instants={instants()}
            onChange={(range) => {
              close();
              props.onChange(range);
            }}
          />
        )}
      </Popover>
      <button
        type="button"
        class="button icon-only"
        title="Later  ]"
        aria-label="Later"
        onClick={() => props.onChange(shift(props.range, 1, Date.now()))}
      >
        <Icon name="right" />
      </button>
      <button
        type="button"
        class="button icon-only"
        title="Wider  z"
        aria-label="Wider range"
        onClick={() => props.onChange(widen(props.range, Date.now()))}
      >
        <Icon name="out" />
      </button>
    </div>
  );
}

function RangeForm(props: {
  range: TimeRange;
  instants: { from: number; to: number };
  onChange: (range: TimeRange) => void;
}): JSX.Element {
  const [from, setFrom] = createSignal(toLocalInput(props.instants.from));
  const [to, setTo] = createSignal(toLocalInput(props.instants.to));
  const wrong = () => !(Date.parse(from()) < Date.parse(to()));
  return (
    <>
      <ul class="menu">
        <For each={PRESETS}>
          {(preset) => (
            <li>
              <button
                type="button"
                aria-current={props.range.from === preset.from && props.range.to === "now"}
                onClick={() => props.onChange({ from: preset.from, to: "now" })}
              >
                {preset.label}
              </button>
            </li>
          )}
        </For>
      </ul>
      <form
        class="range-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!wrong()) props.onChange(absolute(Date.parse(from()), Date.parse(to())));
        }}
      >
        <label>
          From{" "}
          <input
            type="datetime-local"
            step="1"
            value={from()}
            onInput={(event) => setFrom(event.currentTarget.value)}
            required
          />
        </label>
        <label>
          To{" "}
          <input
            type="datetime-local"
            step="1"
            value={to()}
            onInput={(event) => setTo(event.currentTarget.value)}
            required
          />
        </label>
        <p class="muted">
          {wrong() ? "The end must come after the beginning." : `Times are ${zone(props.instants.to)}.`}
        </p>
        <div class="range-buttons">
          <button type="submit" class="button primary" disabled={wrong()}>
            Apply
          </button>
          <button
            type="button"
            class="button"
            title="Keep these instants while the clock moves on"
            onClick={() => props.onChange(absolute(props.instants.from, props.instants.to))}
          >
            Pin as it is now
          </button>
        </div>
      </form>
    </>
  );
}
