// The API of `crates/web`, in memory, for developing and testing the page alone. Serves the built page with the same headers.

import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import type {
  CodeReply,
  Count,
  EventDetail,
  EventRow,
  Facet,
  Figures,
  MatrixReply,
  Problem,
  Range,
  SeriesReply,
  Status,
} from "../../src/api.ts";
import { instant } from "../../src/lib/time.ts";
import { CODES, FIELDS, REGISTRY, makeDay, makeEvent, seeded, type Event } from "./data.ts";
import { compile, Faults, fieldValue, type Match } from "./language.ts";

export interface MockOptions {
  port?: number;
  events?: number;
  token?: string;
  /** Folder with the built page; none when Vite serves it. */
  dist?: string;
  /** New events per second while someone tails. */
  rate?: number;
  /** What the log says of itself. */
  stopped?: string;
}

export interface Mock {
  url: string;
  token: string;
  /** A session that is open already. */
  cookie: { name: string; value: string };
  /** Adds one event as if it had just been asked. */
  ask: () => Event;
  /** Makes requests to a path fail until called with null. */
  fail: (path: string | null) => void;
  close: () => Promise<void>;
}

const POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";
const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
};
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 86_400].map(
  (seconds) => seconds * 1000,
);

class Refusal extends Error {
  constructor(readonly problem: Problem) {
    super(problem.title);
  }
}

export async function startMock(options: MockOptions = {}): Promise<Mock> {
  const started = Date.now();
  const token = options.token ?? "demo";
  const events = makeDay(options.events ?? 100_000, started);
  const random = seeded(11);
  const listeners = new Set<(event: Event) => void>();
  let failing: string | null = null;

  const ask = () => {
    const event = makeEvent(Date.now(), 0.97 + 0.03 * random(), events.length, random);
    events.push(event);
    for (const listener of listeners) listener(event);
    return event;
  };
  const timer = options.rate === undefined || options.rate === 0 ? undefined : setInterval(ask, 1000 / options.rate);

  function scope(params: URLSearchParams): { found: Event[]; range: Range; from: number; to: number; match: Match } {
    const now = Date.now();
    const to = instant(params.get("to") ?? "now", now);
    const from = instant(params.get("from") ?? "now-1h", now);
    if (from === null || to === null)
      throw new Refusal({ status: 400, title: "Bad time", detail: "from and to are RFC 3339 or now-1h" });
    if (from >= to) throw new Refusal({ status: 422, title: "Bad value", detail: "the range ends before it begins" });
    const match = matcher(params.get("q") ?? "");
    const found: Event[] = [];
    for (let index = lowerBound(events, from); index < events.length; index += 1) {
      const event = events[index] as Event;
      if (event.ms >= to) break;
      if (match(event)) found.push(event);
    }
    return { found, range: { from: new Date(from).toISOString(), to: new Date(to).toISOString() }, from, to, match };
  }

  function figures(found: Event[]): Figures {
    const times = found.map((event) => event.latency_ms).sort((a, b) => a - b);
    const count = (match: Match) => found.filter(match).length;
    const quantile = (share: number) => times[Math.floor(share * (times.length - 1))] ?? null;
    return {
      queries: found.length,
      blocked: count((event) => event.action === "block"),
      servfail: count((event) => event.code === "SERVFAIL"),
      nxdomain: count((event) => event.code === "NXDOMAIN"),
      cache_hits: count((event) => event.cache === "hit" || event.cache === "stale"),
      clients: new Set(found.map((event) => event.client)).size,
      latency_p50_ms: quantile(0.5),
      latency_p95_ms: quantile(0.95),
    };
  }

  const routes: Record<string, (params: URLSearchParams) => unknown> = {
    "/status": () => statusOf(started, events, options.stopped ?? null),
    "/codes": () => REGISTRY,
    "/codes/matrix": (params) => matrix(scope(params), params.get("by") ?? "client", Number(params.get("n") ?? 10)),
    "/fields": () => FIELDS,
    "/log/rows": (params) => {
      const { found, range } = scope(params);
      const limit = Math.min(1000, Number(params.get("limit") ?? 200));
      const cursor = params.get("cursor");
      const end = cursor === null ? found.length : found.findIndex((event) => event.id === cursor);
      const page = found.slice(Math.max(0, end - limit), Math.max(0, end)).reverse();
      const last = page[page.length - 1];
      return {
        range,
        rows: page.map(rowOf),
        next: end - limit > 0 && last !== undefined ? last.id : null,
        took_ms: 3.2,
      };
    },
    "/log/series": (params) => series(scope(params), params.get("by") ?? "code", Number(params.get("points") ?? 240)),
    "/log/facets": (params) => {
      const { range, found } = scope(params);
      const n = Number(params.get("n") ?? 10);
      const facets = (params.get("fields") ?? "").split(",").map((field) => {
        const q = withoutField(params.get("q") ?? "", field);
        const own = new URLSearchParams(params);
        own.set("q", q);
        return { field, ...top(scope(own).found, field, n) };
      });
      return { range, total: found.length, facets, took_ms: 8.4 };
    },
    "/log/top": (params) => {
      const { found, range } = scope(params);
      const field = params.get("field") ?? "";
      if (!FIELDS.some((one) => one.name === field))
        throw new Refusal({ status: 400, title: "Bad field", detail: `cannot count by ${field}` });
      const result = top(found, field, Number(params.get("n") ?? 10), false);
      return { range, field, ...result, total: found.length };
    },
    "/log/summary": (params) => {
      const { found, range, from, to } = scope(params);
      const before = new URLSearchParams(params);
      before.set("from", new Date(2 * from - to).toISOString());
      before.set("to", new Date(from).toISOString());
      return { range, current: figures(found), previous: figures(scope(before).found) };
    },
    "/log/check": (params) => {
      const q = params.get("q") ?? "";
      try {
        compile(q);
        return { canonical: q.trim(), faults: [] };
      } catch (error) {
        if (error instanceof Faults) return { canonical: null, faults: error.faults };
        throw error;
      }
    },
  };

  function tail(params: URLSearchParams, request: IncomingMessage, response: ServerResponse): void {
    const match = matcher(params.get("q") ?? "");
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    response.write(": here\n\n");
    const listener = (event: Event) => {
      if (match(event))
        response.write(`event: rows\ndata: ${JSON.stringify({ rows: [rowOf(event)], skipped: 0 })}\n\n`);
    };
    listeners.add(listener);
    request.on("close", () => listeners.delete(listener));
  }

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", "http://mock");
    if (!url.pathname.startsWith("/api/v1")) return file(url.pathname, options.dist, response);
    const path = url.pathname.slice("/api/v1".length);
    if (path === "/session") return session(request, response);
    if (!(request.headers.cookie ?? "").includes(`nameward=${token}`))
      throw new Refusal({ status: 401, title: "Sign in", detail: "no session" });
    if (failing !== null && path === failing)
      throw new Refusal({ status: 503, title: "Search limit", detail: "too many searches are running; try again" });
    if (path === "/log/tail") return tail(url.searchParams, request, response);
    const row = /^\/log\/rows\/(.+)$/.exec(path);
    if (row?.[1] !== undefined) return json(response, 200, detail(events, decodeURIComponent(row[1])));
    const code = /^\/codes\/([^/]+)$/.exec(path)?.[1];
    if (code !== undefined && routes[path] === undefined)
      return json(response, 200, oneCode(decodeURIComponent(code), url.searchParams, scope));
    const route = routes[path];
    if (route === undefined) throw new Refusal({ status: 404, title: "Not found", detail: path });
    json(response, 200, route(url.searchParams));
  }

  async function session(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method === "DELETE") {
      response.writeHead(204, { "set-cookie": "nameward=; Path=/; Max-Age=0" }).end();
      return;
    }
    let body = "";
    for await (const part of request) body += String(part);
    if ((JSON.parse(body) as { token?: string }).token !== token)
      throw new Refusal({ status: 401, title: "Sign in", detail: "wrong token" });
    response.writeHead(204, { "set-cookie": `nameward=${token}; Path=/; HttpOnly; SameSite=Lax` }).end();
  }

  const server: Server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      if (error instanceof Faults)
        return json(response, 422, {
          status: 422,
          title: "Search",
          detail: "the search cannot be read",
          faults: error.faults,
        });
      if (error instanceof Refusal) return json(response, error.problem.status, error.problem);
      json(response, 500, { status: 500, title: "Mock failed", detail: String(error) });
    });
  });
  await new Promise<void>((resolve) => server.listen(options.port ?? 0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    token,
    cookie: { name: "nameward", value: token },
    ask,
    fail: (path) => {
      failing = path;
    },
    close: () =>
      new Promise((resolve) => {
        clearInterval(timer);
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

const compiled = new Map<string, Match>();
function matcher(q: string): Match {
  const known = compiled.get(q);
  if (known !== undefined) return known;
  const match = compile(q);
  compiled.set(q, match);
  return match;
}

function lowerBound(events: Event[], ms: number): number {
  let [low, high] = [0, events.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((events[middle] as Event).ms < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

function rowOf(event: Event): EventRow {
  const { ms: _ms, trace: _trace, ...row } = event;
  return row;
}

function countOf(value: string, count: number): Count {
  const code = CODES.find((one) => one.name === value);
  const unnamed = /^CODE(\d+)$/.exec(value)?.[1];
  if (unnamed !== undefined) return { value, number: Number(unnamed), family: "malformed", count };
  return { value, number: code?.number ?? null, family: code?.family ?? null, count };
}

/** Codes seen that have no name, by number. */
function unnamedOf(counts: ReadonlyMap<string, number>): string[] {
  return [...counts.keys()]
    .filter((value) => /^CODE\d+$/.test(value))
    .sort((a, b) => Number(a.slice(4)) - Number(b.slice(4)));
}

function counted(found: Event[], field: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const event of found) {
    const value = fieldValue(event, field);
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return counts;
}

interface Scoped {
  found: Event[];
  range: Range;
  from: number;
  to: number;
}

function matrix({ found, range }: Scoped, by: string, n: number): MatrixReply {
  if (!FIELDS.some((one) => one.name === by) || by === "code" || by === "ede")
    throw new Refusal({ status: 422, title: "Bad field", detail: `\`${by}\` cannot be the columns` });
  const columns = [...counted(found, by)].sort((a, b) => b[1] - a[1]).slice(0, n);
  const codes = counted(found, "code");
  const silent = codes.has("") ? [""] : [];
  const rows = [...CODES.map((code) => code.name), ...unnamedOf(codes), ...silent].map((value) => {
    const mine = counted(
      found.filter((event) => (event.code ?? "") === value),
      by,
    );
    const counts = columns.map(([column]) => mine.get(column) ?? 0);
    const { number, family, count: total } = countOf(value, codes.get(value) ?? 0);
    return { value, number, family, total, counts, other: total - counts.reduce((sum, one) => sum + one, 0) };
  });
  return {
    range,
    by,
    columns: columns.map(([value, count]) => countOf(value, count)),
    rows,
    other: found.length - columns.reduce((sum, [, count]) => sum + count, 0),
    total: found.length,
    took_ms: 12.5,
  };
}

function oneCode(text: string, params: URLSearchParams, scope: (params: URLSearchParams) => Scoped): CodeReply {
  const wanted = text.toUpperCase();
  const codes = CODES.filter((one) => one.name === wanted || String(one.number) === wanted);
  const number = Number(/^(?:CODE)?(\d{1,5})$/.exec(wanted)?.[1]);
  const unnamed = REGISTRY.ranges.find((one) => one.first <= number && number <= one.last) ?? null;
  if (codes.length === 0 && unnamed === null)
    throw new Refusal({ status: 404, title: "no such code", detail: `no code is called "${text}"` });
  const names = codes.length === 0 ? [`CODE${number}`] : codes.map((one) => one.name);
  const q = params.get("q") ?? "";
  const within = (search: string) => {
    const own = new URLSearchParams(params);
    own.set("q", search);
    return scope(own);
  };
  const search = `code:${names.join(",")}${q === "" ? "" : ` ${q}`}`;
  const here = within(search);
  const n = Number(params.get("n") ?? 10);
  const facet = (field: string): Facet => ({ field, ...top(here.found, field, n, false) });
  const trend = series(here, "code", Number(params.get("points") ?? 240));
  const placeOf: Record<string, string> = { "TSIG error": " tsig:", "TKEY error": " tkey:" };
  return {
    range: here.range,
    search,
    codes,
    unnamed: codes.length === 0 ? unnamed : null,
    total: here.found.length,
    of: within(q).found.length,
    trend: { step_ms: trend.step_ms, starts: trend.starts, lines: trend.lines },
    places: codes.flatMap((code) =>
      code.places.map(({ place }) => {
        const record = placeOf[place];
        const text = `code:${code.name}${record === undefined ? "" : `${record}${code.name}`}${q === "" ? "" : ` ${q}`}`;
        return { code: code.name, place, search: text, count: within(text).found.length };
      }),
    ),
    counts: ["transport", "opcode", "outcome", "action", "ede"].map(facet),
    top: ["client", "domain", "upstream", "key"].map(facet),
    rows: here.found
      .slice(-Number(params.get("rows") ?? 20))
      .reverse()
      .map(rowOf),
    took_ms: 21.7,
  };
}

function top(found: Event[], field: string, n: number, zeros = true): { values: Count[]; other: number } {
  const counts = counted(found, field);
  if (field === "ede") {
    // Events without any are not a value of it, and each of several counts.
    counts.clear();
    for (const event of found)
      for (const one of event.ede) counts.set(String(one.code), (counts.get(String(one.code)) ?? 0) + 1);
  }
  if (field === "code" && zeros) {
    const values = [...CODES.map((code) => code.name), ...unnamedOf(counts)].map((name) =>
      countOf(name, counts.get(name) ?? 0),
    );
    const none = counts.get("") ?? 0;
    return { values: none > 0 ? [...values, countOf("", none)] : values, other: 0 };
  }
  const ranked = [...counts].sort((a, b) => b[1] - a[1]);
  return {
    values: ranked.slice(0, n).map(([value, count]) => countOf(value, count)),
    other: ranked.slice(n).reduce((sum, [, count]) => sum + count, 0),
  };
}

/** The search without its top-level terms on a field: what that field's facet is counted over. */
function withoutField(q: string, field: string): string {
  const aliases = FIELDS.find((one) => one.name === field)?.aliases ?? [];
  const names = [field, ...aliases].join("|");
  return q
    .replace(new RegExp(`(^|\\s)-?(?:${names}):(?:\\([^)]*\\)|\\S+)`, "gi"), " ")
    .replace(new RegExp(`(^|\\s)-?has:(?:${names})(?=\\s|$)`, "gi"), " ")
    .trim();
}

function series(
  within: { found: Event[]; range: Range; from: number; to: number },
  by: string,
  points: number,
): SeriesReply {
  const { found, range, from, to } = within;
  const step = STEPS.find((one) => (to - from) / one <= points) ?? 604_800_000;
  const first = Math.floor(from / step) * step;
  const starts: number[] = [];
  for (let start = first; start < to; start += step) starts.push(start);
  const lines = new Map<string, number[]>();
  for (const event of found) {
    const value = fieldValue(event, by);
    let counts = lines.get(value);
    if (counts === undefined) {
      counts = starts.map(() => 0);
      lines.set(value, counts);
    }
    const index = Math.floor((event.ms - first) / step);
    counts[index] = (counts[index] ?? 0) + 1;
  }
  const order = (value: string) =>
    by === "code" ? ((CODES.findIndex((code) => code.name === value) + 100) % 100) + (value === "" ? 99 : 0) : 0;
  const all = [...lines].map(([value, counts]) => {
    const { number, family } = countOf(value, 0);
    return { value, number, family, total: counts.reduce((sum, one) => sum + one, 0), counts };
  });
  all.sort((a, b) => order(a.value) - order(b.value) || b.total - a.total);
  return { range, step_ms: step, starts, lines: all, took_ms: 5.1 };
}

function detail(events: Event[], id: string): EventDetail {
  const event = events.find((one) => one.id === id);
  if (event === undefined)
    throw new Refusal({ status: 404, title: "No such row", detail: "it was never written or is past its retention" });
  const summary =
    event.action === "block"
      ? `Blocked by list ${event.list ?? ""}: rule ${event.rule ?? ""} matches the name.`
      : event.code === null
        ? "No reply was sent."
        : event.code === "NOERROR"
          ? `Answered ${event.cache === "hit" ? "from the cache" : `by ${event.upstream ?? "us"}`} in ${event.latency_ms.toFixed(2)} ms.`
          : `${event.code}: ${CODES.find((code) => code.name === event.code)?.meaning ?? ""}`;
  return { row: rowOf(event), summary, trace: event.trace };
}

function statusOf(started: number, events: Event[], stopped: string | null): Status {
  return {
    version: "0.1.0",
    started: new Date(started - 5_400_000).toISOString(),
    health: stopped === null ? "warn" : "fail",
    notes: [{ level: "warn", part: "list telemetry", text: "2 lines could not be read" }],
    listeners: ["udp://127.0.0.1:5353", "tcp://127.0.0.1:5353"],
    upstreams: [
      { name: "udp://192.0.2.53:53", suffix: ".", healthy: true, latency_ms: 7.4, sent: 18_204, failed: 31 },
      { name: "udp://198.51.100.53:53", suffix: ".", healthy: true, latency_ms: 12.9, sent: 7311, failed: 12 },
      {
        name: "tcp://203.0.113.9:853",
        suffix: "corp.example",
        healthy: false,
        latency_ms: null,
        sent: 402,
        failed: 402,
      },
    ],
    lists: [
      {
        name: "ads",
        action: "block",
        source: "https://lists.example/ads.txt",
        rules: 85_108,
        rejected: 0,
        faults: [],
        loaded: new Date(started - 3_600_000).toISOString(),
        error: null,
      },
      {
        name: "telemetry",
        action: "block",
        source: "/etc/nameward/telemetry.txt",
        rules: 1204,
        rejected: 2,
        loaded: new Date(started - 3_600_000).toISOString(),
        error: null,
        faults: [
          { line: 17, text: "||exa mple^", reason: "a name cannot hold a space" },
          { line: 209, text: "##.banner", reason: "cosmetic rules say nothing about names" },
        ],
      },
      {
        name: "own",
        action: "allow",
        source: "/etc/nameward/allow.txt",
        rules: 14,
        rejected: 0,
        faults: [],
        loaded: new Date(started).toISOString(),
        error: null,
      },
    ],
    log: {
      rows: events.length,
      bytes: events.length * 31,
      segments: 24,
      live_rows: Math.min(events.length, 812),
      dropped: 0,
      stopped,
      oldest: events[0] === undefined ? null : events[0].time,
    },
  };
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {
    "content-type": status < 400 ? "application/json" : "application/problem+json",
    "cache-control": "no-store",
  });
  response.end(JSON.stringify(body));
}

function file(path: string, dist: string | undefined, response: ServerResponse): void {
  if (dist === undefined) return json(response, 404, { status: 404, title: "Not found", detail: "no page here" });
  const wanted = join(dist, normalize(path));
  const found =
    wanted.startsWith(dist) && existsSync(wanted) && statSync(wanted).isFile() ? wanted : join(dist, "index.html");
  response.writeHead(200, {
    "content-type": TYPES[extname(found)] ?? "application/octet-stream",
    "content-security-policy": POLICY,
    "cache-control": "no-store",
  });
  createReadStream(found).pipe(response);
}
