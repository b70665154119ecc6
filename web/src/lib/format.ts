// Numbers, durations, sizes and times as text. English words, so English digits, whatever the browser's locale.

const INTEGER = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
export const EMPTY = "–";

/** `1,143`. */
export function count(value: number): string {
  return INTEGER.format(value);
}

/** `1,143`, `12.4 K`, `3.1 M`: for figures and charts, where three digits tell all. */
export function compact(value: number): string {
  return value < 10_000 ? INTEGER.format(value) : COMPACT.format(value).replace(/([A-Z])$/, " $1");
}

/** `3.1 %` of a part in a whole; nothing without a whole. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return EMPTY;
  const share = (100 * part) / whole;
  if (share !== 0 && share < 0.01) return "<0.01 %";
  const digits = share === 0 || share >= 99.95 ? 0 : share < 1 ? 2 : 1;
  return `${share.toFixed(digits)} %`;
}

/** `0.42 ms`, `4.2 ms`, `61 ms`, `1.24 s`. */
export function milliseconds(value: number | null | undefined): string {
  if (value == null) return EMPTY;
  if (value >= 1000) return `${(value / 1000).toFixed(value < 10_000 ? 2 : 1)} s`;
  return `${value.toFixed(value < 1 ? 2 : value < 10 ? 1 : 0)} ms`;
}

/** `512 B`, `1.2 kB`, `3.4 GB`. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let unit = 0;
  let rest = value;
  while (rest >= 1000 && unit < units.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  return `${unit === 0 || rest >= 100 ? rest.toFixed(0) : rest.toFixed(1)} ${units[unit] ?? ""}`;
}

/** A change against the period before: `+12 %`, `×14`, `new`; nothing when there is nothing to compare. */
export interface Change {
  text: string;
  direction: "up" | "down" | "same";
}

export function change(current: number | null, previous: number | null): Change | null {
  if (current == null || previous == null) return null;
  if (previous === 0) return current === 0 ? null : { text: "new", direction: "up" };
  const ratio = current / previous;
  if (Math.abs(ratio - 1) < 0.005) return { text: "±0 %", direction: "same" };
  if (ratio >= 3) return { text: `×${ratio < 10 ? ratio.toFixed(1) : count(ratio)}`, direction: "up" };
  const share = Math.round(100 * (ratio - 1));
  return { text: `${share > 0 ? "+" : "−"}${Math.abs(share)} %`, direction: share > 0 ? "up" : "down" };
}

const pad = (value: number, width: number) => String(value).padStart(width, "0");
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** `10:17:34.123` in the browser's zone. */
export function clock(ms: number, precision: "m" | "s" | "ms" = "s"): string {
  const at = new Date(ms);
  const minutes = `${pad(at.getHours(), 2)}:${pad(at.getMinutes(), 2)}`;
  if (precision === "m") return minutes;
  const seconds = `${minutes}:${pad(at.getSeconds(), 2)}`;
  return precision === "s" ? seconds : `${seconds}.${pad(at.getMilliseconds(), 3)}`;
}

/** `24 Nov`. */
export function day(ms: number): string {
  const at = new Date(ms);
  return `${at.getDate()} ${MONTHS[at.getMonth()] ?? ""}`;
}

/** `24 Nov 10:17:34`. */
export function dayClock(ms: number, precision: "m" | "s" | "ms" = "s"): string {
  return `${day(ms)} ${clock(ms, precision)}`;
}

/** `24 Nov 10:17 – 11:17`, with seconds for short ranges and both days where they differ. */
export function span(from: number, to: number): string {
  const precision = to - from < 600_000 || from % 60_000 !== 0 || to % 60_000 !== 0 ? "s" : "m";
  const sameDay = new Date(from).toDateString() === new Date(to).toDateString();
  return `${dayClock(from, precision)} – ${sameDay ? clock(to, precision) : dayClock(to, precision)}`;
}

/** `15 s`, `3 min`, `2 h`, `5 d`: a length of time in its largest whole unit. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 1) return `${Math.round(ms)} ms`;
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** `UTC+2`: the browser's zone at an instant, always written beside times. */
export function zone(ms: number): string {
  const minutes = -new Date(ms).getTimezoneOffset();
  if (minutes === 0) return "UTC";
  const hours = Math.floor(Math.abs(minutes) / 60);
  const rest = Math.abs(minutes) % 60;
  return `UTC${minutes < 0 ? "−" : "+"}${hours}${rest === 0 ? "" : `:${pad(rest, 2)}`}`;
}

/** A domain in two parts: what may be cut in the middle, and the registrable part that is always shown. */
export function splitDomain(domain: string, registrable: string | null): [string, string] {
  if (registrable === null || registrable === domain || !domain.endsWith(`.${registrable}`)) return ["", domain];
  return [domain.slice(0, -registrable.length), registrable];
}
