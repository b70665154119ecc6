// What stands out in a series: runs of cells in which a value is far more frequent than its share of all events would give.
// Measured against the share, not the count, so that a busy hour is no news.

import type { SeriesLine, SeriesReply } from "../api.ts";

export interface Burst {
  value: string;
  family: string | null;
  from: number;
  to: number;
  total: number;
  /** How many times the expected number; null when next to none were expected. */
  factor: number | null;
  /** How far outside of chance, in standard deviations. */
  score: number;
}

const FACTOR_MIN = 2;
const EVENTS_MIN = 5;
const SCORE_MIN = 6;
const CELLS_MIN = 10;
/** A run longer than this part of the range is how things are, not a burst. */
const LENGTH_MAX = 0.4;
const BURSTS_MAX = 6;

function burstOf(line: SeriesLine, all: readonly number[], sum: number, series: SeriesReply): Burst | null {
  const cells = line.counts.length;
  let best: Burst | null = null;
  for (let start = 0; start < cells; start += 1) {
    const hot = (at: number) => {
      const share = (line.total * (all[at] ?? 0)) / sum;
      return (line.counts[at] ?? 0) >= 2 && (line.counts[at] ?? 0) > FACTOR_MIN * share;
    };
    if (!hot(start)) continue;
    let end = start + 1;
    while (end < cells && (hot(end) || hot(end + 1))) end += 1;
    const total = line.counts.slice(start, end).reduce((a, b) => a + b, 0);
    const there = all.slice(start, end).reduce((a, b) => a + b, 0);
    // The usual share is what the value has outside the run: a burst must not raise its own bar.
    const expected = ((line.total - total) / Math.max(1, sum - there)) * there;
    const score = (total - expected) / Math.sqrt(expected + 1);
    if (
      total >= EVENTS_MIN &&
      score >= SCORE_MIN &&
      end - start <= LENGTH_MAX * cells &&
      (best === null || score > best.score)
    ) {
      const from = series.starts[start] ?? 0;
      const to = (series.starts[end - 1] ?? 0) + series.step_ms;
      const factor = expected < 0.5 ? null : total / expected;
      best = { value: line.value, family: line.family, from, to, total, factor, score };
    }
    start = end;
  }
  return best;
}

/** The strongest bursts, one per value. */
export function burstsOf(series: SeriesReply | undefined): Burst[] {
  if (series === undefined || series.starts.length < CELLS_MIN) return [];
  const all = series.starts.map((_, at) => series.lines.reduce((sum, line) => sum + (line.counts[at] ?? 0), 0));
  const sum = all.reduce((a, b) => a + b, 0);
  if (sum === 0) return [];
  // The most frequent value sinks wherever another rises: it is the background.
  const most = Math.max(...series.lines.map((line) => line.total));
  const found = series.lines.filter((line) => line.total < most).map((line) => burstOf(line, all, sum, series));
  return found
    .filter((one) => one !== null)
    .sort((a, b) => b.score - a.score)
    .slice(0, BURSTS_MAX);
}
