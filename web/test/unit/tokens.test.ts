import { describe, expect, test } from "vitest";
import {
  byteToIndex,
  selection,
  terms,
  tokenize,
  valueText,
  withFilter,
  withNegated,
  withoutTerm,
} from "../../src/search/tokens.ts";

/** A search as `kind:text` pieces, spaces left out. */
function pieces(text: string): string {
  return tokenize(text)
    .filter((token) => token.kind !== "space")
    .map((token) => `${token.kind}:${text.slice(token.start, token.end)}`)
    .join(" ");
}

describe("tokens", () => {
  test.each([
    ["code:NXDOMAIN", "field:code operator:: value:NXDOMAIN"],
    ["-domain:*.local", "negation:- field:domain operator:: value:*.local"],
    ["code:SERVFAIL,BAD*", "field:code operator:: value:SERVFAIL comma:, value:BAD*"],
    ["latency:>50ms", "field:latency operator:: operator:> value:50ms"],
    ["client:2001:db8::/32 x", "field:client operator:: value:2001:db8::/32 bare:x"],
    ["2001:db8::1", "bare:2001:db8::1"],
    ["fe80::1", "bare:fe80::1"],
    ["(a OR b) c", "paren:( bare:a keyword:OR bare:b paren:) bare:c"],
    ["code:(A OR B) tail", "field:code operator:: paren:( value:A keyword:OR value:B paren:) bare:tail"],
    ["code:(A, B)", "field:code operator:: paren:( value:A comma:, value:B paren:)"],
    ['list:"my list" x', 'field:list operator:: quoted:"my list" bare:x'],
    ["domain:/^x\\d+/ y", "field:domain operator:: regex:/^x\\d+/ bare:y"],
    ["upstream:udp://192.0.2.53:53", "field:upstream operator:: value:udp://192.0.2.53:53"],
    ["NOT code:NOERROR", "keyword:NOT field:code operator:: value:NOERROR"],
    ["a-b", "bare:a-b"],
    ['"open', 'quoted:"open'],
  ])("%s", (text, expected) => expect(pieces(text)).toBe(expected));

  test("cover every text without gaps", () => {
    const alphabet = ["a", ":", '"', "(", ")", ",", "-", " ", "/", ">", "=", "\\", "é", "😀", "OR"];
    let state = 1;
    const next = () => (state = (state * 48_271) % 2_147_483_647);
    for (let round = 0; round < 2000; round += 1) {
      const text = Array.from({ length: next() % 12 }, () => alphabet[next() % alphabet.length]).join("");
      const tokens = tokenize(text);
      expect(tokens.map((token) => text.slice(token.start, token.end)).join(""), text).toBe(text);
      expect(
        tokens.every((token) => token.end > token.start),
        text,
      ).toBe(true);
      terms(text);
    }
  });
});

describe("terms", () => {
  test("of the outermost level, with their values", () => {
    const read = terms('code:SERVFAIL,BAD* -domain:=a.example "two words" (x OR y)');
    expect(read.either).toBe(false);
    expect(read.terms.map((term) => [term.text, term.negated, term.field, term.values])).toEqual([
      ["code:SERVFAIL,BAD*", false, "code", ["SERVFAIL", "BAD*"]],
      ["-domain:=a.example", true, "domain", ["=a.example"]],
      ['"two words"', false, null, []],
      ["(x OR y)", false, null, []],
    ]);
  });

  test.each([
    ["a OR b", true],
    ["(a OR b)", false],
    ["code:(A OR B)", false],
    ["a || b", true],
  ])("%s is a choice at the outermost level: %s", (text, either) => expect(terms(text).either).toBe(either));

  test("NOT turns a term around like a minus", () => {
    expect(terms("NOT code:A b").terms.map((term) => [term.text, term.negated])).toEqual([
      ["NOT code:A", true],
      ["b", false],
    ]);
  });
});

describe("choosing a value", () => {
  test.each([
    ["", "only", "code:NXDOMAIN"],
    ["code:SERVFAIL x", "only", "x code:NXDOMAIN"],
    ["code:NXDOMAIN x", "only", "x"],
    ["code:SERVFAIL", "also", "code:SERVFAIL,NXDOMAIN"],
    ["code:SERVFAIL,NXDOMAIN", "also", "code:SERVFAIL"],
    ["code:SERVFAIL", "exclude", "code:SERVFAIL -code:NXDOMAIN"],
    ["-code:SERVFAIL", "exclude", "-code:SERVFAIL,NXDOMAIN"],
    ["-code:NXDOMAIN x", "exclude", "x"],
    ["code:SERVFAIL,nxdomain", "exclude", "code:SERVFAIL -code:NXDOMAIN"],
    ["-code:NXDOMAIN", "also", "code:NXDOMAIN"],
    ["a OR b", "also", "(a OR b) code:NXDOMAIN"],
    ["a OR b", "exclude", "(a OR b) -code:NXDOMAIN"],
  ] as const)("%s, %s", (text, mode, expected) => expect(withFilter(text, "code", "NXDOMAIN", mode)).toBe(expected));

  test("an alias is the same field", () => {
    const canonical = (field: string) => (field === "rcode" ? "code" : field);
    expect(withFilter("rcode:SERVFAIL", "code", "NXDOMAIN", "only", canonical)).toBe("code:NXDOMAIN");
    expect([...selection("rcode:SERVFAIL", "code", canonical).only]).toEqual(["servfail"]);
  });

  test("the empty value is written as having none", () => {
    expect(withFilter("x", "list", "", "only")).toBe("x -has:list");
    expect(withFilter("x", "list", "", "exclude")).toBe("x has:list");
    expect(withFilter("x -has:list", "list", "", "only")).toBe("x");
  });

  test("chips", () => {
    expect(withoutTerm("a code:B -c", 1)).toBe("a -c");
    expect(withNegated("a code:B", 1)).toBe("a -code:B");
    expect(withNegated("a -code:B", 1)).toBe("a code:B");
    expect(withNegated("NOT code:B", 0)).toBe("code:B");
  });
});

test.each([
  ["plain.example", "plain.example"],
  ["two words", '"two words"'],
  ['a"b', '"a\\"b"'],
  ["a,b", '"a,b"'],
  ["*", '"*"'],
  ["-x", '"-x"'],
  ["=a.example", "=a.example"],
  ["=a b", '="a b"'],
  ['"done"', '"done"'],
  ['="done"', '="done"'],
  ["2001:db8::1", "2001:db8::1"],
  ["1..2", '"1..2"'],
  ["", '""'],
])("%s is written %s", (value, expected) => expect(valueText(value)).toBe(expected));

test("places count bytes on the server and characters here", () => {
  expect(byteToIndex("é:x", 2)).toBe(1);
  expect(byteToIndex("😀x", 4)).toBe(2);
  expect(byteToIndex("abc", 99)).toBe(3);
});
