import { describe, expect, test } from "vitest";
import type { SeriesReply } from "../../src/api.ts";
import { burstsOf } from "../../src/lib/bursts.ts";
import { CODES } from "../mock/data.ts";
import { codeShade, FAMILIES, SHADED_CODES } from "../../src/lib/codes.ts";
import { cellAt, cellSpan, edges, levels, LEVELS, opacity } from "../../src/lib/strip.ts";
import { OVERSCAN, scrollTo, visibleRows } from "../../src/lib/window.ts";

describe("strip", () => {
  test("each row is scaled to its own maximum", () => {
    expect(Math.max(...levels([0, 1, 2]))).toBe(LEVELS);
    expect(Math.max(...levels([10_000, 80_000]))).toBe(LEVELS);
  });
  test("one event is seen beside a million, none is not", () => {
    expect([...levels([0, 1, 1_000_000])]).toEqual([0, 1, LEVELS]);
    expect([...levels([0, 0])]).toEqual([0, 0]);
    expect(opacity(0)).toBe(0);
    expect(opacity(1)).toBeGreaterThan(0.15);
    expect(opacity(LEVELS)).toBeCloseTo(1);
  });
  test("cells fill the width with whole pixels", () => {
    const all = edges(240, 1001);
    expect([all[0], all[240]]).toEqual([0, 1001]);
    expect(all.every((edge, index) => index === 0 || edge > (all[index - 1] ?? 0))).toBe(true);
    expect([cellAt(-1, 10), cellAt(0, 10), cellAt(0.55, 10), cellAt(1, 10)]).toEqual([0, 0, 5, 9]);
  });
  test("a run of cells stays within the range that was asked for", () => {
    expect(cellSpan(0, 1, [0, 10, 20], 10, 5, 25)).toEqual([5, 20]);
    expect(cellSpan(2, 1, [0, 10, 20], 10, 5, 25)).toEqual([10, 25]);
  });
});

describe("bursts", () => {
  const series = (lines: Record<string, number[]>): SeriesReply => {
    const cells = Object.values(lines)[0]?.length ?? 0;
    const all = Object.entries(lines).map(([value, counts]) => ({
      value,
      number: null,
      family: null,
      counts,
      total: counts.reduce((a, b) => a + b, 0),
    }));
    return {
      range: { from: "", to: "" },
      step_ms: 10,
      starts: Array.from({ length: cells }, (_, index) => 10 * index),
      lines: all,
      took_ms: 0,
    };
  };
  const flat = (value: number, cells = 40) => Array.from({ length: cells }, () => value);

  test("a run far above a code's share stands out, with its place", () => {
    const counts = flat(2).map((value, index) => (index >= 10 && index < 14 ? 60 : value));
    const [burst] = burstsOf(series({ NOERROR: flat(1000), SERVFAIL: counts }));
    expect(burst).toMatchObject({ value: "SERVFAIL", from: 100, to: 140, total: 240 });
    expect(burst?.factor).toBeCloseTo(28.4, 1);
  });
  test("a busy hour is no news", () => {
    const busy = flat(1).map((value, index) => value * (index > 20 && index < 26 ? 10 : 1));
    expect(
      burstsOf(series({ NOERROR: busy.map((value) => value * 1000), NXDOMAIN: busy.map((value) => value * 100) })),
    ).toEqual([]);
  });
  test("few events are chance", () => {
    expect(burstsOf(series({ NOERROR: flat(1000), BADALG: flat(0).map((_, index) => (index === 7 ? 3 : 0)) }))).toEqual(
      [],
    );
  });
  test("nothing is nothing", () => {
    expect(burstsOf(undefined)).toEqual([]);
    expect(burstsOf(series({}))).toEqual([]);
  });
});

describe("window", () => {
  test("only rows in sight are in the page, whatever the total", () => {
    for (const top of [0, 13, 1_300_000, 2_599_000, 9_999_999]) {
      const [first, last] = visibleRows(top, 700, 26, 100_000);
      expect(last - first).toBeLessThan(100);
      expect(first).toBeGreaterThanOrEqual(0);
      expect(last).toBeLessThanOrEqual(100_000);
    }
    expect(visibleRows(0, 260, 26, 1000)).toEqual([0, 10 + OVERSCAN]);
    expect(visibleRows(0, 260, 26, 0)).toEqual([0, 0]);
  });
  test("scrolling shows a row and no more than that", () => {
    expect(scrollTo(5, 0, 260, 26)).toBe(0);
    expect(scrollTo(10, 0, 260, 26)).toBe(26);
    expect(scrollTo(1, 100, 260, 26)).toBe(26);
  });
});

describe("colours", () => {
  test("every named code has a shade of its own", () => {
    expect([...SHADED_CODES].sort()).toEqual(CODES.map((code) => code.name).sort());
    for (const scheme of ["light", "dark"] as const) {
      const shades = CODES.map((code) => codeShade(code.name)[scheme]);
      expect(new Set(shades).size).toBe(CODES.length);
    }
  });
  test("a number without a name takes its family's, none at all is grey", () => {
    expect(codeShade("CODE4001", "malformed")).toEqual(codeShade("BADVERS"));
    expect(codeShade(null)).toEqual(codeShade("CODE77", "unheard of"));
    for (const family of FAMILIES) expect(codeShade("CODE1", family)).not.toEqual(codeShade(null));
  });
});
