// Time ranges: as written in the URL (`now-1h`, RFC 3339), resolved to instants, moved and widened.

export interface TimeRange {
  from: string;
  to: string;
}

export interface Instants {
  from: number;
  to: number;
}

export const DEFAULT_RANGE: TimeRange = { from: "now-1h", to: "now" };

export const PRESETS: { from: string; label: string }[] = [
  { from: "now-15m", label: "Last 15 minutes" },
  { from: "now-1h", label: "Last hour" },
  { from: "now-6h", label: "Last 6 hours" },
  { from: "now-24h", label: "Last 24 hours" },
  { from: "now-7d", label: "Last 7 days" },
];

const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** Reads `now`, `now-90s`, `now-7d` or an RFC 3339 instant; null when it is neither. */
export function instant(text: string, now: number): number | null {
  const relative = /^now(?:-(\d{1,9})([smhdw]))?$/.exec(text);
  if (relative !== null) {
    const [, amount, unit] = relative;
    return amount === undefined || unit === undefined ? now : now - Number(amount) * (UNITS[unit] ?? 0);
  }
  if (!/^\d{4}-\d\d-\d\dT/.test(text)) return null;
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : at;
}

/** The instants of a range; what cannot be read counts as the default. */
export function resolve(range: TimeRange, now: number): Instants {
  const to = instant(range.to, now) ?? now;
  const from = instant(range.from, now) ?? to - 3_600_000;
  return from < to ? { from, to } : { from: to - 1000, to };
}

/** Whether the range moves with the clock. */
export function isMoving(range: TimeRange): boolean {
  return range.to === "now";
}

export function isAbsolute(range: TimeRange): boolean {
  return !range.from.startsWith("now") && !range.to.startsWith("now");
}

/** The range between two instants, fixed, in whole milliseconds. */
export function absolute(from: number, to: number): TimeRange {
  const [first, last] = from <= to ? [from, to] : [to, from];
  return {
    from: new Date(Math.floor(first)).toISOString(),
    to: new Date(Math.max(Math.ceil(last), first + 1)).toISOString(),
  };
}

/** The range of the same length before (-1) or after (+1); never beyond now. */
export function shift(range: TimeRange, direction: -1 | 1, now: number): TimeRange {
  const { from, to } = resolve(range, now);
  const length = to - from;
  const end = Math.min(to + direction * length, Math.max(now, to));
  return absolute(end - length, end);
}

/** The range twice as long around the same middle; a moving range stays moving. */
export function widen(range: TimeRange, now: number): TimeRange {
  const { from, to } = resolve(range, now);
  const length = to - from;
  if (isMoving(range)) {
    const seconds = Math.round((2 * length) / 1000);
    const larger =
      seconds % 86_400 === 0 ? `${seconds / 86_400}d` : seconds % 3600 === 0 ? `${seconds / 3600}h` : `${seconds}s`;
    return { from: `now-${larger}`, to: "now" };
  }
  const end = Math.min(to + length / 2, Math.max(now, to));
  return absolute(end - 2 * length, end);
}

/** Text for `<input type="datetime-local">`, in the browser's zone. */
export function toLocalInput(ms: number): string {
  const at = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
  return at.toISOString().slice(0, 19);
}

/** A round step between ticks so that about `wanted` fit into a length. */
export function tickStep(length: number, wanted: number): number {
  const steps = [
    1000, 2000, 5000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000, 900_000, 1_800_000, 3_600_000,
    7_200_000, 10_800_000, 21_600_000, 43_200_000, 86_400_000, 172_800_000, 604_800_000, 1_209_600_000, 2_592_000_000,
  ];
  return steps.find((step) => length / step <= wanted) ?? 7_776_000_000;
}

/** Ticks at round local times within a range. */
export function ticks(from: number, to: number, wanted: number): number[] {
  const step = tickStep(to - from, wanted);
  const offset = new Date(from).getTimezoneOffset() * 60_000;
  const marks: number[] = [];
  for (let at = Math.ceil((from - offset) / step) * step + offset; at <= to && marks.length < 100; at += step)
    marks.push(at);
  return marks;
}
