// The heat strip's arithmetic: one row per value, each scaled to its own maximum, so that a rare code is as loud as a common one.

/** Shades of a cell. Fewer than the eye could tell, so that noise does not look like signal. */
export const LEVELS = 8;

/** The level of each cell, 0 (nothing happened) to `LEVELS`; one event is never level 0. */
export function levels(counts: readonly number[]): Uint8Array {
  const max = counts.reduce((most, one) => Math.max(most, one), 0);
  // A square root keeps small counts visible beside a burst.
  return Uint8Array.from(counts, (count) =>
    count <= 0 || max === 0 ? 0 : Math.max(1, Math.round(LEVELS * Math.sqrt(count / max))),
  );
}

/** How opaque a level is painted. */
export function opacity(level: number): number {
  return level === 0 ? 0 : 0.16 + (0.84 * level) / LEVELS;
}

/** Pixel edges of `cells` cells across `width` device pixels: whole pixels, so that no seam shows. */
export function edges(cells: number, width: number): Int32Array {
  return Int32Array.from({ length: cells + 1 }, (_, index) => Math.round((index * width) / Math.max(1, cells)));
}

/** The cell under a place between 0 and 1. */
export function cellAt(place: number, cells: number): number {
  return Math.max(0, Math.min(cells - 1, Math.floor(place * cells)));
}

/** The instants a run of cells covers, kept within the range asked. */
export function cellSpan(
  a: number,
  b: number,
  starts: readonly number[],
  stepMs: number,
  from: number,
  to: number,
): [number, number] {
  const [first, last] = a <= b ? [a, b] : [b, a];
  const start = starts[first] ?? from;
  const end = (starts[last] ?? to) + stepMs;
  return [Math.max(start, from), Math.min(end, to)];
}
