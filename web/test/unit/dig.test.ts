import { expect, test } from "vitest";
import { digCommand } from "../../src/lib/dig.ts";

const row = { domain: "example.com", qtype: "A", qclass: "IN", transport: "udp", flags: ["RD", "EDNS"] };
const HERE = ["udp://127.0.0.1:5353", "tcp://[::1]:53"];

test.each([
  [row, HERE, "dig @127.0.0.1 -p 5353 example.com A"],
  [{ ...row, transport: "tcp", flags: ["RD", "EDNS", "DO"] }, HERE, "dig @::1 example.com A +tcp +dnssec"],
  [{ ...row, flags: ["CD"] }, [], "dig example.com A +noedns +cdflag +norecurse"],
  [
    { ...row, domain: "a'b; rm -rf.example", qclass: "CH" },
    ["udp://0.0.0.0:53"],
    "dig @127.0.0.1 'a'\\''b; rm -rf.example' A -c CH",
  ],
  [{ ...row, domain: null }, [], "dig . A"],
])("%o", (asked, listeners, expected) => expect(digCommand(asked, listeners)).toBe(expected));
