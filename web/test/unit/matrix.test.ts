import { describe, expect, test } from "vitest";
import type { MatrixReply } from "../../src/api.ts";
import { FAMILIES, FAMILY_SIGNS } from "../../src/lib/codes.ts";
import { heat, isNamed, seen, shareOf } from "../../src/lib/matrix.ts";
import { boxes, placesOf } from "../../src/lib/places.ts";
import { narrowed, withoutField } from "../../src/search/tokens.ts";
import { CODES } from "../mock/data.ts";

const canonical = (field: string) => (field === "rcode" ? "code" : field);

describe("cells", () => {
  test("a cell is a share of its code or of its column", () => {
    expect(shareOf(5, 20, 50, "code")).toBe(0.25);
    expect(shareOf(5, 20, 50, "column")).toBe(0.1);
    expect(shareOf(0, 0, 0, "code")).toBe(0);
  });
  test("one event is coloured beside a million, none is not, and text stays readable on all", () => {
    expect(heat(0, 0)).toBe(0);
    expect(heat(1, 1e-6)).toBeGreaterThanOrEqual(5);
    expect(heat(1_000_000, 1)).toBeLessThanOrEqual(40);
    expect(heat(4, 0.5)).toBeGreaterThan(heat(4, 0.1));
  });
  test("codes are counted as seen, unnamed ones and silence apart", () => {
    const row = (value: string, total: number) => ({ value, number: null, family: null, total, counts: [], other: 0 });
    const rows = [row("NOERROR", 9), row("BADSIG", 0), row("CODE4001", 1), row("", 2)];
    const reply: MatrixReply = {
      range: { from: "", to: "" },
      by: "client",
      columns: [],
      rows,
      other: 0,
      total: 12,
      took_ms: 0,
    };
    expect(seen(reply)).toEqual({ named: 2, seen: 1, unnamed: 1, silent: 2 });
    expect(rows.map(isNamed)).toEqual([true, true, false, false]);
  });
});

describe("a click on a cell", () => {
  test.each<[string, string, string, string]>([
    ["", "code", "BADSIG", "code:BADSIG"],
    ["client:10.0.0.1", "code", "BADSIG", "client:10.0.0.1 code:BADSIG"],
    ["code:BADSIG", "code", "BADSIG", "code:BADSIG"],
    ["rcode:badsig latency:>5ms", "code", "BADSIG", "rcode:badsig latency:>5ms"],
    ["code:BAD*", "code", "BADSIG", "code:BADSIG"],
    ["code:BADSIG,BADKEY", "code", "BADSIG", "code:BADSIG"],
    ["domain:example.com", "domain", "=www.example.com", "domain:=www.example.com"],
    ["", "upstream", "", "-has:upstream"],
    ["-has:upstream", "upstream", "", "-has:upstream"],
    ["qtype:A OR qtype:AAAA", "code", "NXDOMAIN", "(qtype:A OR qtype:AAAA) code:NXDOMAIN"],
  ])("on %j narrows %s to %j", (text, field, value, wanted) => {
    expect(narrowed(text, field, value, canonical)).toBe(wanted);
    // Never the opposite: the same click again changes nothing.
    expect(narrowed(wanted, field, value, canonical)).toBe(wanted);
  });
});

test.each([
  ["-code:NOERROR", ""],
  ["rcode:BAD* client:10.0.0.1 -has:code", "client:10.0.0.1"],
  ["code:BADSIG OR code:BADKEY", "code:BADSIG OR code:BADKEY"],
])("a code's page is searched with %j but for codes: %j", (text, wanted) => {
  expect(withoutField(text, "code", canonical)).toBe(wanted);
});

describe("places", () => {
  const here = (name: string) => {
    const code = CODES.find((one) => one.name === name);
    return (code?.places ?? []).map((at) =>
      boxes(code?.number ?? 0, name, at)
        .filter((box) => box.here)
        .map((box) => `${box.place} ${box.value ?? ""}`),
    );
  };
  test("each code is marked where it travels", () => {
    expect(here("NXDOMAIN")).toEqual([["Header 3"]]);
    expect(here("BADVERS")).toEqual([["Header 0", "OPT 1"]]);
    expect(here("BADCOOKIE")).toEqual([["Header 7", "OPT 1"]]);
    expect(here("BADSIG")).toEqual([["TSIG error 16"], ["TKEY error 16"]]);
    expect(here("BADTRUNC")).toEqual([["TSIG error 22"]]);
    expect(here("BADNAME")).toEqual([["TKEY error 20"]]);
  });
  test("the parts of a 12-bit code add up", () => {
    for (const code of CODES)
      for (const at of code.places) {
        const [header, opt] = boxes(code.number, code.name, at);
        if (at.place === "header + OPT") expect(16 * Number(opt?.value) + Number(header?.value)).toBe(code.number);
        else expect(opt?.value).toBeNull();
      }
  });
  test("a number without a name goes where it fits", () => {
    const name = (header: number) => `name of ${header}`;
    expect(placesOf(12, name)).toMatchObject([{ place: "header", header: 12 }]);
    expect(placesOf(4001, name)).toMatchObject([{ place: "header + OPT", header: 1, header_name: "name of 1" }]);
    expect(placesOf(5000, name)).toEqual([]);
  });
});

test("every family has a sign of its own", () => {
  expect(new Set(FAMILIES.map((family) => FAMILY_SIGNS[family])).size).toBe(FAMILIES.length);
});
