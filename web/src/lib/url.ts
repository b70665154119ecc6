// Everything one sees is in the address: read it, write it. No browser here; `router.ts` joins it to the history.

import { DEFAULT_RANGE, instant } from "./time.ts";

export type Page = "overview" | "log" | "codes" | "code" | "missing";
export const CHARTS = ["both", "stack", "strip", "none"] as const;
export type Chart = (typeof CHARTS)[number];
export const BYS = ["code", "action", "outcome", "transport", "cache"] as const;
export type By = (typeof BYS)[number];
/** What the columns of the matrix of codes are. */
export const ACROSS = ["client", "domain", "upstream", "transport", "qtype", "opcode", "key"] as const;
export type Across = (typeof ACROSS)[number];
/** What a cell of the matrix is a share of: all of its code, or all of its column. */
export const SHARES = ["code", "column"] as const;
export type Share = (typeof SHARES)[number];
/** Columns of the table that are shown when one asks for them. */
export const EXTRAS = ["key", "update", "opcode", "transport"] as const;
export type Extra = (typeof EXTRAS)[number];

export interface State {
  page: Page;
  /** The search that ran; what is being typed lives in the box until it runs. */
  q: string;
  from: string;
  to: string;
  /** The open row. */
  sel: string;
  live: boolean;
  /** What the chart's lines are. */
  by: By;
  chart: Chart;
  /** Columns beyond the usual ones, in the order of `EXTRAS`. */
  cols: Extra[];
  /** The code whose page it is: a name or a number. */
  code: string;
  across: Across;
  share: Share;
  /** The extended error that is laid open in the catalogue. */
  ede: string;
}

export const INITIAL: State = {
  page: "overview",
  q: "",
  ...DEFAULT_RANGE,
  sel: "",
  live: false,
  by: "code",
  chart: "both",
  cols: [],
  code: "",
  across: "client",
  share: "code",
  ede: "",
};

/** A code's name or number in a path. */
const CODE_PATH = /^\/codes\/([A-Za-z0-9]{1,32})$/;

function pathOf(state: State): string {
  switch (state.page) {
    case "log":
      return "/log";
    case "codes":
      return "/codes";
    case "code":
      return state.code === "" ? "/codes" : `/codes/${encodeURIComponent(state.code)}`;
    default:
      return "/";
  }
}

function pageOf(path: string): Page {
  if (path === "/" || path === "" || path === "/index.html") return "overview";
  if (path === "/log") return "log";
  if (path === "/codes") return "codes";
  return CODE_PATH.test(path) ? "code" : "missing";
}

function choice<T extends string>(all: readonly T[], text: string | null, otherwise: T): T {
  return all.find((one) => one === text) ?? otherwise;
}

/** Reads an address. What cannot be read counts as not given: an old link still opens. */
export function parse(pathname: string, search: string): State {
  const params = new URLSearchParams(search);
  const time = (name: "from" | "to") => {
    const text = params.get(name) ?? "";
    return instant(text, 0) === null ? DEFAULT_RANGE[name] : text;
  };
  const path = pathname.length > 1 ? pathname.replace(/\/+$/, "") : pathname;
  const asked = new Set((params.get("cols") ?? "").split(","));
  return {
    page: pageOf(path),
    q: params.get("q") ?? "",
    from: time("from"),
    to: time("to"),
    sel: params.get("sel") ?? "",
    live: params.get("live") === "1",
    by: choice(BYS, params.get("by"), "code"),
    chart: choice(CHARTS, params.get("chart"), "both"),
    cols: EXTRAS.filter((one) => asked.has(one)),
    code: CODE_PATH.exec(path)?.[1] ?? "",
    across: choice(ACROSS, params.get("across"), "client"),
    share: choice(SHARES, params.get("share"), "code"),
    ede: /^\d{1,5}$/.exec(params.get("ede") ?? "")?.[0] ?? "",
  };
}

/** Writes an address; defaults are left out, and so is what a page does not use. */
export function format(state: State): string {
  const params = new URLSearchParams();
  const put = (name: keyof State, value: string, usual: string) => {
    if (value !== usual) params.set(name, value);
  };
  if (state.page !== "overview") put("q", state.q, "");
  put("from", state.from, DEFAULT_RANGE.from);
  put("to", state.to, DEFAULT_RANGE.to);
  if (state.page === "log") {
    put("by", state.by, "code");
    put("chart", state.chart, "both");
    put("cols", state.cols.join(","), "");
    put("live", state.live ? "1" : "0", "0");
  }
  if (state.page === "codes") {
    put("across", state.across, "client");
    put("share", state.share, "code");
    put("ede", state.ede, "");
  }
  if (state.page === "log" || state.page === "code") put("sel", state.sel, "");
  // `:`, `,`, `/` and `*` are legal in a query string and make searches readable there.
  const text = params.toString().replace(/%3A/g, ":").replace(/%2C/g, ",").replace(/%2F/g, "/").replace(/%2A/g, "*");
  const path = pathOf(state);
  return text === "" ? path : `${path}?${text}`;
}
