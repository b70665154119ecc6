import { expect, test } from "vitest";
import { bytes, change, compact, count, duration, milliseconds, percent, splitDomain } from "../../src/lib/format.ts";

test.each([
  [count(1143), "1,143"],
  [compact(1143), "1,143"],
  [compact(12_400_000), "12.4 M"],
  [compact(83_700), "83.7 K"],
  [percent(31, 1000), "3.1 %"],
  [percent(0, 10), "0 %"],
  [percent(1, 1_000_000), "<0.01 %"],
  [percent(10, 10), "100 %"],
  [percent(0, 0), "–"],
  [milliseconds(0.42), "0.42 ms"],
  [milliseconds(4.2), "4.2 ms"],
  [milliseconds(61.3), "61 ms"],
  [milliseconds(1240), "1.24 s"],
  [milliseconds(null), "–"],
  [bytes(512), "512 B"],
  [bytes(3_400_000_000), "3.4 GB"],
  [duration(15_000), "15 s"],
  [duration(600_000), "10 min"],
  [duration(172_800_000), "2 d"],
])("%s", (text, expected) => expect(text).toBe(expected));

test.each([
  [112, 100, "+12 %", "up"],
  [88, 100, "−12 %", "down"],
  [1400, 100, "×14", "up"],
  [100, 100, "±0 %", "same"],
  [5, 0, "new", "up"],
] as const)("%d after %d", (now, before, text, direction) => expect(change(now, before)).toEqual({ text, direction }));

test("nothing to compare is no change", () => {
  expect(change(null, 1)).toBeNull();
  expect(change(0, 0)).toBeNull();
});

test("a domain keeps its registrable part whole", () => {
  expect(splitDomain("a.b.example.com", "example.com")).toEqual(["a.b.", "example.com"]);
  expect(splitDomain("example.com", "example.com")).toEqual(["", "example.com"]);
  expect(splitDomain("notexample.com", "example.com")).toEqual(["", "notexample.com"]);
  expect(splitDomain("local", null)).toEqual(["", "local"]);
});
