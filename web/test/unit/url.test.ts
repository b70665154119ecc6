import { expect, test } from "vitest";
import { format, INITIAL, parse, type State } from "../../src/lib/url.ts";

const at = (address: string) => {
  const url = new URL(address, "http://x");
  return parse(url.pathname, url.search);
};

test.each<[string, Partial<State>]>([
  ["/", {}],
  ["/log", { page: "log" }],
  ["/log?q=code:NXDOMAIN,BAD*&from=now-24h", { page: "log", q: "code:NXDOMAIN,BAD*", from: "now-24h" }],
  [
    "/log?from=2026-01-02T03:04:05.000Z&to=2026-01-02T04:04:05.000Z&sel=abc",
    { page: "log", from: "2026-01-02T03:04:05.000Z", to: "2026-01-02T04:04:05.000Z", sel: "abc" },
  ],
  ["/log?by=action&chart=strip&live=1", { page: "log", by: "action", chart: "strip", live: true }],
  ["/?from=now-7d", { from: "now-7d" }],
  ["/log?cols=key,update", { page: "log", cols: ["key", "update"] }],
  ["/codes", { page: "codes" }],
  [
    "/codes?q=-code:NOERROR&from=now-24h&across=upstream&share=column&ede=22",
    { page: "codes", q: "-code:NOERROR", from: "now-24h", across: "upstream", share: "column", ede: "22" },
  ],
  ["/codes/BADSIG", { page: "code", code: "BADSIG" }],
  [
    "/codes/CODE4001?q=transport:udp&from=now-24h&sel=abc",
    { page: "code", code: "CODE4001", q: "transport:udp", from: "now-24h", sel: "abc" },
  ],
  ["/codes/16", { page: "code", code: "16" }],
])("%s is read, and written the same", (address, expected) => {
  const state = at(address);
  expect(state).toEqual({ ...INITIAL, ...expected });
  expect(format(state)).toBe(address);
});

test("any search survives the address", () => {
  for (const q of ['domain:/^a+b%20&c#d$/ "é 😀"', "a=b&from=now", "+ %2B", "client:2001:db8::/32"]) {
    expect(at(format({ ...INITIAL, page: "log", q })).q).toBe(q);
  }
});

test("what cannot be read counts as not given", () => {
  expect(at("/log?from=yesterday&to=42&by=colour&chart=pie&live=yes")).toEqual({ ...INITIAL, page: "log" });
  expect(at("/nowhere").page).toBe("missing");
  expect(at("/log/").page).toBe("log");
  expect(at("/codes/").page).toBe("codes");
  expect(at("/codes/BAD%2FSIG").page).toBe("missing");
  expect(at("/codes/a/b").page).toBe("missing");
  expect(at("/codes?across=colour&share=all&ede=x")).toEqual({ ...INITIAL, page: "codes" });
  expect(at("/log?cols=update,colour,key").cols).toEqual(["key", "update"]);
});
