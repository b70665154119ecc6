// The HTTP API as `crates/api` declares it, and the one way to call it.

export interface Range {
  from: string;
  to: string;
}

export interface EdeEntry {
  code: number;
  name: string;
  text: string;
}

export interface EventRow {
  id: string;
  time: string;
  client: string;
  client_port: number;
  transport: string;
  opcode: string;
  domain: string | null;
  reg_domain: string | null;
  qtype: string;
  qclass: string;
  flags: string[];
  outcome: string;
  rcode_header: number | null;
  rcode: number | null;
  tsig_error: number | null;
  tkey_error: number | null;
  code: string | null;
  code_number: number | null;
  code_family: string | null;
  ede: EdeEntry[];
  answer: string | null;
  answer_count: number;
  ttl: number | null;
  action: string;
  list: string | null;
  rule: string | null;
  cache: string;
  upstream: string | null;
  upstream_latency_ms: number | null;
  attempts: number;
  key: string | null;
  update: string | null;
  repeats: number;
  latency_ms: number;
  query_size: number;
  reply_size: number;
}

export interface RowsReply {
  range: Range;
  rows: EventRow[];
  next: string | null;
  took_ms: number;
}

export interface TraceStep {
  stage: string;
  finding: string;
  effect: string;
}
export interface EventDetail {
  row: EventRow;
  summary: string;
  trace: TraceStep[];
}

export interface SeriesLine {
  value: string;
  number: number | null;
  family: string | null;
  total: number;
  counts: number[];
}
export interface SeriesReply {
  range: Range;
  step_ms: number;
  starts: number[];
  lines: SeriesLine[];
  took_ms: number;
}

export interface Count {
  value: string;
  number: number | null;
  family: string | null;
  count: number;
}
export interface Facet {
  field: string;
  values: Count[];
  other: number;
}
export interface FacetsReply {
  range: Range;
  total: number;
  facets: Facet[];
  took_ms: number;
}
export interface TopReply {
  range: Range;
  field: string;
  values: Count[];
  other: number;
  total: number;
}

export interface Figures {
  queries: number;
  blocked: number;
  servfail: number;
  nxdomain: number;
  cache_hits: number;
  clients: number;
  latency_p50_ms: number | null;
  latency_p95_ms: number | null;
}
export interface Summary {
  range: Range;
  current: Figures;
  previous: Figures;
}

export interface SearchFault {
  start: number;
  end: number;
  message: string;
  suggestion: string | null;
}
export interface CheckReply {
  canonical: string | null;
  faults: SearchFault[];
}
export interface TailRows {
  rows: EventRow[];
  skipped: number;
}

export interface CodePlace {
  place: string;
  column: string;
  header: number;
  header_name: string;
}
export interface CodeEntry {
  name: string;
  mixed: string;
  number: number;
  place: string;
  places: CodePlace[];
  signing: string;
  rfc: string;
  meaning: string;
  sent: string;
  emitters: string[];
  transports: string[];
  causes: string[];
  next: string[];
  family: string;
  kind: string;
}
export interface CodeRange {
  first: number;
  last: number;
  name: string;
  rfc: string;
  meaning: string;
  causes: string[];
  next: string[];
}
export interface EdeInfo {
  number: number;
  name: string;
  rfc: string;
  meaning: string;
  sender: string;
  sent: string | null;
  causes: string[];
  next: string[];
}
export interface CodesReply {
  codes: CodeEntry[];
  ranges: CodeRange[];
  ede: EdeInfo[];
}
export interface Trend {
  step_ms: number;
  starts: number[];
  lines: SeriesLine[];
}
export interface PlaceCount {
  code: string;
  place: string;
  search: string;
  count: number;
}
export interface CodeReply {
  range: Range;
  search: string;
  codes: CodeEntry[];
  unnamed: CodeRange | null;
  total: number;
  of: number;
  trend: Trend;
  places: PlaceCount[];
  counts: Facet[];
  top: Facet[];
  rows: EventRow[];
  took_ms: number;
}
export interface MatrixRow {
  value: string;
  number: number | null;
  family: string | null;
  total: number;
  counts: number[];
  other: number;
}
export interface MatrixReply {
  range: Range;
  by: string;
  columns: Count[];
  rows: MatrixRow[];
  other: number;
  total: number;
  took_ms: number;
}
export interface FieldEntry {
  name: string;
  aliases: string[];
  kind: string;
  about: string;
  examples: string[];
  values: string[];
}

export interface StatusNote {
  level: string;
  part: string;
  text: string;
}
export interface UpstreamStatus {
  name: string;
  suffix: string;
  healthy: boolean;
  latency_ms: number | null;
  sent: number;
  failed: number;
}
export interface ListFault {
  line: number;
  text: string;
  reason: string;
}
export interface ListStatus {
  name: string;
  action: string;
  source: string;
  rules: number;
  rejected: number;
  faults: ListFault[];
  loaded: string | null;
  error: string | null;
}
export interface LogStatus {
  rows: number;
  bytes: number;
  segments: number;
  live_rows: number;
  oldest: string | null;
  dropped: number;
  stopped: string | null;
}
export interface Status {
  version: string;
  started: string;
  health: string;
  notes: StatusNote[];
  listeners: string[];
  upstreams: UpstreamStatus[];
  lists: ListStatus[];
  log: LogStatus;
}

export interface Problem {
  status: number;
  title: string;
  detail: string;
  faults?: SearchFault[];
}

/** What every log request carries. */
export interface Scope {
  q: string;
  from: string;
  to: string;
}

export const ROWS_PAGE = 200;
const BASE = "/api/v1";

/** A request that failed, with words for someone who can act. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly faults: SearchFault[] = [],
  ) {
    super(`${title}: ${detail}`);
  }
}

let unauthorized: () => void = () => undefined;

/** Says what happens when the server wants to know who we are. */
export function onUnauthorized(handler: () => void): void {
  unauthorized = handler;
}

type Params = Record<string, string | number | undefined | null>;

export function address(path: string, params: Params = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(params))
    if (value != null && value !== "") search.set(name, String(value));
  const text = search.toString();
  return `${BASE}${path}${text === "" ? "" : `?${text}`}`;
}

async function problemOf(response: Response): Promise<ApiError> {
  try {
    const problem = (await response.json()) as Partial<Problem>;
    return new ApiError(
      response.status,
      problem.title ?? response.statusText,
      problem.detail ?? "",
      problem.faults ?? [],
    );
  } catch {
    return new ApiError(response.status, response.statusText || `HTTP ${response.status}`, "the server gave no reason");
  }
}

async function request(path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "No connection", "the server cannot be reached; it may be restarting");
  }
  if (response.ok) return response;
  const error = await problemOf(response);
  if (response.status === 401) unauthorized();
  throw error;
}

async function get<T>(path: string, params: Params, signal?: AbortSignal): Promise<T> {
  const response = await request(address(path, params), {
    signal: signal ?? null,
    headers: { accept: "application/json" },
  });
  return (await response.json()) as T;
}

export const api = {
  signIn: async (token: string): Promise<void> => {
    const headers = { "content-type": "application/json" };
    await request(`${BASE}/session`, { method: "POST", headers, body: JSON.stringify({ token }) });
  },
  signOut: async (): Promise<void> => {
    await request(`${BASE}/session`, { method: "DELETE" });
  },
  status: (signal?: AbortSignal) => get<Status>("/status", {}, signal),
  codes: (signal?: AbortSignal) => get<CodesReply>("/codes", {}, signal),
  code: (scope: Scope, code: string, more: { points?: number; n?: number; rows?: number }, signal?: AbortSignal) =>
    get<CodeReply>(`/codes/${encodeURIComponent(code)}`, { ...scope, ...more }, signal),
  matrix: (scope: Scope, by: string, n: number, signal?: AbortSignal) =>
    get<MatrixReply>("/codes/matrix", { ...scope, by, n }, signal),
  fields: (signal?: AbortSignal) => get<FieldEntry[]>("/fields", {}, signal),
  rows: (scope: Scope, more: { limit?: number; cursor?: string }, signal?: AbortSignal) =>
    get<RowsReply>("/log/rows", { ...scope, ...more }, signal),
  row: (id: string, signal?: AbortSignal) => get<EventDetail>(`/log/rows/${encodeURIComponent(id)}`, {}, signal),
  series: (scope: Scope, by: string, points: number, signal?: AbortSignal) =>
    get<SeriesReply>("/log/series", { ...scope, by, points }, signal),
  facets: (scope: Scope, fields: string[], n: number, signal?: AbortSignal) =>
    get<FacetsReply>("/log/facets", { ...scope, fields: fields.join(","), n }, signal),
  top: (scope: Scope, field: string, n: number, signal?: AbortSignal) =>
    get<TopReply>("/log/top", { ...scope, field, n }, signal),
  summary: (scope: Scope, signal?: AbortSignal) => get<Summary>("/log/summary", { ...scope }, signal),
  check: (q: string, signal?: AbortSignal) => get<CheckReply>("/log/check", { q }, signal),
  tailAddress: (q: string) => address("/log/tail", { q }),
};
