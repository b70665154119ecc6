// Which rows of a long table are worth having in the page.

/** Rows kept ready above and below what is seen. */
export const OVERSCAN = 8;
/** Browsers stop counting pixels near 16.7 million; above that rows could not be reached by scrolling. */
export const ROWS_MAX = 500_000;

/** First and one-past-last row for a scroller at `top` that shows `height` pixels. */
export function visibleRows(
  top: number,
  height: number,
  rowHeight: number,
  total: number,
  overscan = OVERSCAN,
): [number, number] {
  const first = Math.max(0, Math.min(Math.floor(top / rowHeight) - overscan, total));
  const last = Math.min(total, Math.ceil((Math.max(0, top) + Math.max(0, height)) / rowHeight) + overscan);
  return [first, Math.max(first, last)];
}

/** Where to scroll so that a row is fully seen; the same place when it is already. */
export function scrollTo(row: number, top: number, height: number, rowHeight: number): number {
  const start = row * rowHeight;
  if (start < top) return start;
  if (start + rowHeight > top + height) return start + rowHeight - height;
  return top;
}
