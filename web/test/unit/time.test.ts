import { expect, test } from "vitest";
import { absolute, instant, resolve, shift, ticks, widen } from "../../src/lib/time.ts";

const NOW = Date.parse("2026-03-01T12:00:00Z");
const HOUR = 3_600_000;

test.each([
  ["now", NOW],
  ["now-90s", NOW - 90_000],
  ["now-1h", NOW - HOUR],
  ["now-7d", NOW - 168 * HOUR],
  ["2026-03-01T11:00:00Z", NOW - HOUR],
  ["now+1h", null],
  ["yesterday", null],
  ["now-1y", null],
  ["2026-13-45T00:00:00Z", null],
  ["", null],
])("%s", (text, expected) => expect(instant(text, NOW)).toBe(expected));

test("a range is never empty or turned around", () => {
  for (const [from, to] of [
    ["now", "now-1h"],
    ["now", "now"],
    ["?", "?"],
  ] as const) {
    const range = resolve({ from, to }, NOW);
    expect(range.from).toBeLessThan(range.to);
  }
  expect(absolute(NOW, NOW - HOUR)).toEqual({ from: "2026-03-01T11:00:00.000Z", to: "2026-03-01T12:00:00.000Z" });
});

test("a step back is the range just before; a step forth stops at now", () => {
  const before = shift({ from: "now-1h", to: "now" }, -1, NOW);
  expect(before).toEqual(absolute(NOW - 2 * HOUR, NOW - HOUR));
  expect(shift(before, 1, NOW)).toEqual(absolute(NOW - HOUR, NOW));
  expect(shift(absolute(NOW - HOUR, NOW), 1, NOW)).toEqual(absolute(NOW - HOUR, NOW));
});

test("wider is twice as long; a moving range keeps moving", () => {
  expect(widen({ from: "now-1h", to: "now" }, NOW)).toEqual({ from: "now-2h", to: "now" });
  expect(widen({ from: "now-15m", to: "now" }, NOW)).toEqual({ from: "now-1800s", to: "now" });
  const fixed = resolve(widen(absolute(NOW - 4 * HOUR, NOW - 3 * HOUR), NOW), NOW);
  expect(fixed).toEqual({ from: NOW - 4.5 * HOUR, to: NOW - 2.5 * HOUR });
});

test("ticks are few and round", () => {
  for (const length of [60_000, HOUR, 24 * HOUR, 30 * 24 * HOUR]) {
    const marks = ticks(NOW - length, NOW, 8);
    expect(marks.length).toBeGreaterThan(1);
    expect(marks.length).toBeLessThanOrEqual(9);
  }
});
