import { expect, test } from "vitest";
import type { FieldEntry } from "../../src/api.ts";
import { apply, completeField, completeValue, placeAt } from "../../src/search/complete.ts";

const field = (name: string, values: string[] = [], aliases: string[] = []): FieldEntry => ({
  name,
  aliases,
  kind: "word",
  about: "",
  examples: [],
  values,
});
const FIELDS = [field("code", ["NOERROR", "NXDOMAIN"], ["rcode"]), field("client"), field("outcome")];

/** What the caret, written `|`, stands in. */
function place(marked: string): string {
  const caret = marked.indexOf("|");
  const { kind, field: name, typed } = placeAt(marked.replace("|", ""), caret);
  return `${kind} ${name} ${typed}`.trim();
}

test.each([
  ["|", "field"],
  ["co|", "field  co"],
  ["-co|", "field  co"],
  ["code:|", "value code"],
  ["code:NX|", "value code NX"],
  ["code:A,|", "value code"],
  ["code:A, |", "value code"],
  ["code:A |", "field"],
  ["code:(A, B|", "value code B"],
  ["(|", "field"],
  ["latency:>5|", "value latency 5"],
])("%s", (marked, expected) => expect(place(marked)).toBe(expected));

test("fields that begin so come before fields that hold it", () => {
  expect(completeField(placeAt("co", 2), FIELDS).map((one) => one.label)).toEqual(["code", "outcome"]);
});

test("values that occur come first, with their counts", () => {
  const counted = [{ value: "NXDOMAIN", number: 3, family: "name_missing", count: 1234 }];
  const found = completeValue(placeAt("code:", 5), FIELDS[0], counted);
  expect(found.map((one) => [one.label, one.note])).toEqual([
    ["NXDOMAIN", "1,234"],
    ["NOERROR", ""],
  ]);
});

test("a field waits for its value, a value ends the term", () => {
  const [code] = completeField(placeAt("x co", 4), FIELDS);
  expect(code && apply("x co", code)).toEqual({ text: "x code:", caret: 7 });
  const [value] = completeValue(placeAt("code:NX", 7), FIELDS[0], []);
  expect(value && apply("code:NX", value)).toEqual({ text: "code:NXDOMAIN ", caret: 14 });
});
