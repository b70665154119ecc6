// Synthetic events: every return code, a day's rhythm, and bursts that a stacked chart would hide. The same seed gives the same
// events; only the end of the log moves with the clock.

import registry from "../../../docs/src/reference/codes.json" with { type: "json" };
import type { CodeEntry, CodesReply, EdeEntry, EventRow, FieldEntry, TraceStep } from "../../src/api.ts";

export interface Event extends EventRow {
  ms: number;
  trace: TraceStep[];
}

/** The registry as the product writes it into its reference. */
export const REGISTRY = registry as CodesReply;
export const CODES: CodeEntry[] = REGISTRY.codes;

const field = (
  name: string,
  kind: string,
  about: string,
  values: string[] = [],
  aliases: string[] = [],
): FieldEntry => ({ name, kind, about, values, aliases, examples: [] });

export const FIELDS: FieldEntry[] = [
  field(
    "code",
    "code",
    "return code",
    CODES.map((one) => one.name),
    ["rcode", "rc", "status"],
  ),
  field("domain", "name", "name asked", [], ["qname"]),
  field("reg_domain", "name", "registrable part of the name", [], ["etld1"]),
  field("client", "address", "client address", [], ["src"]),
  field("qtype", "word", "type asked", ["A", "AAAA", "HTTPS", "PTR", "MX", "TXT", "SRV", "NS", "SOA", "DS"], ["type"]),
  field("action", "word", "what policy did", ["pass", "allow", "block", "refuse", "limit"]),
  field("list", "text", "list that decided"),
  field("upstream", "text", "upstream asked last"),
  field("cache", "word", "where the answer came from", ["none", "hit", "miss", "stale"]),
  field("outcome", "word", "what the client got", [
    "answered",
    "nodata",
    "referral",
    "truncated",
    "error",
    "dropped",
    "timeout",
  ]),
  field("transport", "word", "how the query came", ["udp", "tcp", "dot", "doh", "doq"], ["proto"]),
  field("opcode", "word", "kind of message", ["QUERY", "IQUERY", "STATUS", "NOTIFY", "UPDATE", "DSO"]),
  field("ede", "code", "extended error"),
  field("tsig", "code", "error of TSIG", [], ["tsig_error"]),
  field("tkey", "code", "error of TKEY", [], ["tkey_error"]),
  field("key", "text", "key of the signature"),
  field("update", "text", "update in short"),
  field("repeats", "number", "further queries this row stands for"),
  field("latency", "duration", "arrival to reply"),
  field("answer", "text", "answer in short"),
];

/** A small generator with a seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const DOMAINS: [string, string][] = [
  ["www.example.com", "example.com"],
  ["api.example.net", "example.net"],
  ["cdn.assets.example.org", "example.org"],
  ["mail.example.com", "example.com"],
  ["telemetry.eu-central.device.vendor.example", "vendor.example"],
  ["login.corp.example", "corp.example"],
  ["time.example.net", "example.net"],
  ["_ldap._tcp.dc.corp.example", "corp.example"],
  ["images.shop.example", "shop.example"],
  ["updates.os.example", "os.example"],
  ["chat.social.example", "social.example"],
  ["video-edge-07.stream.example", "stream.example"],
  ["registry.packages.example", "packages.example"],
  ["push.mobile.example", "mobile.example"],
  ["docs.wiki.example", "wiki.example"],
  ["weather.example.org", "example.org"],
  ["bank.example", "bank.example"],
  ["news.daily.example", "daily.example"],
  ["maps.geo.example", "geo.example"],
  ["backup.nas.example", "nas.example"],
];
const BLOCKED: [string, string, string][] = [
  ["ads.tracker.example", "tracker.example", "ads"],
  ["pixel.metrics.example", "metrics.example", "ads"],
  ["beacon.analytics.example", "analytics.example", "telemetry"],
  ["cdn.popunder.example", "popunder.example", "ads"],
  ["login-corp.phish.example", "phish.example", "malware"],
  ["events.collector.example", "collector.example", "telemetry"],
];
const TYPES: [string, number][] = [
  ["A", 52],
  ["AAAA", 26],
  ["HTTPS", 11],
  ["PTR", 5],
  ["TXT", 2],
  ["MX", 1.5],
  ["SRV", 1.5],
  ["NS", 0.6],
  ["DS", 0.4],
];
const UPSTREAMS = ["udp://192.0.2.53:53", "udp://198.51.100.53:53", "tcp://203.0.113.9:853"];

/** Shares of the codes outside bursts, in ten-thousandths. */
const USUAL: [string, number][] = [
  ["NOERROR", 8374],
  ["NXDOMAIN", 1150],
  ["REFUSED", 189],
  ["SERVFAIL", 40],
  ["FORMERR", 15],
  ["NOTAUTH", 6],
  ["NOTIMP", 5],
  ["BADTIME", 4],
  ["BADVERS", 5],
  ["BADKEY", 2.4],
  ["NXRRSET", 2.2],
  ["YXDOMAIN", 1.2],
  ["YXRRSET", 1.2],
  ["BADNAME", 1.2],
  ["BADTRUNC", 1.1],
  ["BADSIG", 1.6],
  ["NOTZONE", 0.7],
  ["DSOTYPENI", 0.7],
  ["BADMODE", 0.6],
  ["CODE4001", 0.5],
];
/** Code, first and last part of the day, share within. */
const BURSTS: [string, number, number, number][] = [
  ["BADCOOKIE", 0.28, 0.318, 0.11],
  ["BADALG", 0.42, 0.445, 0.003],
  ["SERVFAIL", 0.605, 0.647, 0.13],
  ["NXDOMAIN", 0.765, 0.785, 0.34],
  ["BADCOOKIE", 0.972, 0.98, 0.06],
  ["SERVFAIL", 0.985, 0.99, 0.2],
];

function pick<T>(weighted: readonly [T, number][], chance: number): T {
  const total = weighted.reduce((sum, [, weight]) => sum + weight, 0);
  let left = chance * total;
  for (const [one, weight] of weighted) {
    left -= weight;
    if (left < 0) return one;
  }
  return (weighted[0] as [T, number])[0];
}

const at = <T>(all: readonly T[], chance: number): T => all[Math.floor(chance * all.length)] as T;

function codeAt(day: number, random: () => number): string {
  for (const [name, from, to, share] of BURSTS) if (day >= from && day < to && random() < share) return name;
  return pick(USUAL, random());
}

const TKEY = new Set(["BADMODE", "BADNAME", "BADALG"]);
const TSIG = new Set(["BADSIG", "BADKEY", "BADTIME", "BADTRUNC"]);
const UPDATES = new Set(["YXDOMAIN", "YXRRSET", "NXRRSET", "NOTZONE"]);

const KEYS = ["xfer.corp.example", "ddns.office.example", "ns2.example.net"];
const CHANGES = [
  "printer-7.office.example +A 10.1.4.22",
  "laptop-31.office.example -A, +A 10.1.4.90",
  "?-www.corp.example, +CNAME edge.corp.example",
  "_acme-challenge.corp.example +TXT",
];

const CLIENTS = 160;

/** The address of a client by its rank: the first ask most. */
function clientOf(rank: number): string {
  const host = 11 + ((rank * 37) % 230);
  return rank % 8 === 7
    ? `2001:db8:0:${rank % 4}::${host.toString(16)}`
    : `10.${rank % 3}.${Math.floor(rank / 3) % 6}.${host}`;
}

/** A number without a name, as far as an event needs to know it. */
function unnamed(name: string): CodeEntry {
  return { ...(CODES[0] as CodeEntry), name, number: Number(name.replace("CODE", "")), family: "malformed" };
}

/** One event at an instant; `day` is its place in the day that is made up, 0 to 1. */
export function makeEvent(ms: number, day: number, serial: number, random: () => number): Event {
  let name: string | null = codeAt(day, random);
  const entry = CODES.find((one) => one.name === name) ?? unnamed(name);
  const blocked = (name === "NXDOMAIN" && random() < 0.55) || (name === "NOERROR" && random() < 0.004);
  const refused = name === "REFUSED";
  const zipf = Math.floor(DOMAINS.length * random() ** 2.2);
  const bad = at(BLOCKED, random() ** 1.6);
  const [domain, registrable] = blocked ? bad : (DOMAINS[zipf] as [string, string]);
  const missing = name === "NXDOMAIN" && !blocked;
  const asked = missing
    ? `${at(["wpad", "x7f3k", "old-host", "printer-2", "isatap"], random())}.${registrable}`
    : domain;
  const silent = name === "SERVFAIL" && random() < 0.02;
  const cache =
    blocked || refused || entry.number > 3 || entry.number === 1
      ? "none"
      : name === "SERVFAIL"
        ? "miss"
        : random() < 0.71
          ? "hit"
          : random() < 0.02
            ? "stale"
            : "miss";
  const asksUpstream = cache === "miss";
  const upstreamMs = asksUpstream ? (name === "SERVFAIL" ? 380 + 1500 * random() : 4 + 60 * random() ** 2.4) : null;
  const latency = (upstreamMs ?? 0) + 0.02 + 0.2 * random();
  const ede: EdeEntry[] =
    name === "SERVFAIL"
      ? [
          at(
            [
              { code: 22, name: "No Reachable Authority", text: "192.0.2.53: no reply in 1.5 s" },
              { code: 9, name: "DNSKEY Missing", text: "" },
              { code: 23, name: "Network Error", text: "connection refused by 198.51.100.53" },
            ],
            random(),
          ),
        ]
      : blocked
        ? [{ code: 15, name: "Blocked", text: `list ${bad[2]}` }]
        : refused
          ? [{ code: 18, name: "Prohibited", text: "" }]
          : [];
  const noData = name === "NOERROR" && !blocked && random() < 0.07;
  const updates = UPDATES.has(entry.name);
  const qtype = updates ? "SOA" : TKEY.has(entry.name) ? "TKEY" : pick(TYPES, random());
  const answered = name === "NOERROR" && !blocked && !noData;
  const octet = Math.floor(254 * random() ** 1.7) + 1;
  // Whoever signs or updates is always one of a few.
  const few = updates || TSIG.has(entry.name) || TKEY.has(entry.name);
  const client = clientOf(few ? at([2, 4, 7], random() ** 1.5) : Math.floor(CLIENTS * random() ** 2.6));
  if (silent) name = null;
  const rcode = name === null ? null : TSIG.has(entry.name) ? 9 : TKEY.has(entry.name) ? 0 : entry.number;
  const action = blocked ? "block" : refused ? "refuse" : random() < 0.02 ? "allow" : "pass";
  const list = blocked ? bad[2] : action === "allow" ? "own" : null;
  const upstream = asksUpstream ? at(UPSTREAMS, random() ** 1.5) : null;
  const finding = (stage: string, found: string, effect = "pass"): TraceStep => ({ stage, finding: found, effect });
  return {
    ms,
    id: `${ms}-${serial}`,
    time: new Date(ms).toISOString().replace("Z", `${String(Math.floor(999 * random())).padStart(3, "0")}Z`),
    client,
    client_port: 1024 + Math.floor(64_000 * random()),
    transport: random() < 0.94 ? "udp" : random() < 0.7 ? "tcp" : "dot",
    opcode: updates ? "UPDATE" : name === "NOTIMP" ? "STATUS" : "QUERY",
    domain: name === "FORMERR" && random() < 0.6 ? null : asked,
    reg_domain: registrable,
    qtype,
    qclass: "IN",
    flags: ["RD", ...(random() < 0.8 ? ["EDNS"] : []), ...(random() < 0.2 ? ["DO"] : []), "RA"],
    outcome:
      name === null
        ? at(["dropped", "timeout"], random())
        : name !== "NOERROR"
          ? "error"
          : noData
            ? "nodata"
            : "answered",
    rcode_header: rcode === null ? null : rcode & 15,
    rcode,
    tsig_error: TSIG.has(entry.name) && name !== null ? entry.number : null,
    tkey_error: TKEY.has(entry.name) && name !== null ? entry.number : null,
    code: name,
    code_number: name === null ? null : entry.number,
    code_family: name === null ? null : entry.family,
    ede,
    answer: answered
      ? random() < 0.3
        ? `CNAME edge-${octet}.cdn.example, A 192.0.2.${octet}`
        : qtype === "AAAA"
          ? `AAAA 2001:db8::${octet.toString(16)}`
          : `A 198.51.100.${octet}`
      : null,
    answer_count: answered ? 1 + Math.floor(2 * random()) : 0,
    ttl: answered ? at([30, 60, 300, 3600], random()) : null,
    action,
    list,
    rule: blocked ? `||${registrable}^` : null,
    cache,
    upstream,
    upstream_latency_ms: upstreamMs === null ? null : Math.round(upstreamMs * 1000) / 1000,
    attempts: asksUpstream ? (name === "SERVFAIL" ? 3 : 1) : 0,
    key: TSIG.has(entry.name) || TKEY.has(entry.name) || updates ? at(KEYS, random() ** 1.6) : null,
    update: updates ? at(CHANGES, random()) : null,
    repeats: 0,
    latency_ms: Math.round(latency * 1000) / 1000,
    query_size: 29 + asked.length,
    reply_size: name === null ? 0 : 45 + asked.length + Math.floor(80 * random()),
    trace: [
      finding("arrival", `udp from ${client}`),
      finding(
        "admission",
        refused ? "recursion is not offered to this client" : "client may ask",
        refused ? "decide" : "pass",
      ),
      ...(refused
        ? []
        : [
            finding(
              "allow lists",
              action === "allow" ? "own: @@||vendor.example^" : "no rule matches",
              action === "allow" ? "match" : "pass",
            ),
            finding(
              "block lists",
              blocked ? `${bad[2]}: ||${registrable}^` : "3 lists, no rule matches",
              blocked ? "decide" : "pass",
            ),
            ...(blocked
              ? []
              : [
                  finding(
                    "cache",
                    cache === "hit"
                      ? "fresh, 41 s left"
                      : cache === "stale"
                        ? "stale for 12 s, no upstream answered"
                        : "not there",
                    cache === "hit" ? "decide" : "pass",
                  ),
                  ...(asksUpstream
                    ? [
                        finding(
                          "upstream",
                          `${upstream ?? ""}: ${name === "SERVFAIL" || silent ? "no reply in 1.5 s, 3 attempts" : `reply in ${(upstreamMs ?? 0).toFixed(1)} ms`}`,
                          name === "SERVFAIL" || silent ? "fail" : "decide",
                        ),
                      ]
                    : []),
                  finding("answer screen", "nothing in the answer is listed"),
                ]),
          ]),
      finding(
        "reply",
        name === null ? "none sent" : `${name}${ede[0] === undefined ? "" : `, EDE ${ede[0].code} ${ede[0].name}`}`,
      ),
    ],
  };
}

const DAY_MS = 86_400_000;

/** Events of the day before `now`, oldest first, busier around its middle. */
export function makeDay(total: number, now: number, seed = 7): Event[] {
  const random = seeded(seed);
  const places: number[] = [];
  while (places.length < total) {
    const place = random();
    if (random() < 0.12 + 0.88 * Math.sin(Math.PI * place) ** 2) places.push(place);
  }
  places.sort((a, b) => a - b);
  return places.map((place, index) => makeEvent(Math.floor(now - DAY_MS + place * DAY_MS), place, index, random));
}
