// Everything one sees is in the address: read it, write it. No browser here; `router.ts` joins it to the history.

import { DEFAULT_RANGE, instant } from "./time.ts";

export type Page = "overview" | "log" | "missing";
export const CHARTS = ["both", "stack", "strip", "none"] as const;
export type Chart = (typeof CHARTS)[number];
export const BYS = ["code", "action", "outcome", "transport", "cache"] as const;
export type By = (typeof BYS)[number];

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
}

export const INITIAL: State = {
  page: "overview",
  q: "",
  ...DEFAULT_RANGE,
  sel: "",
  live: false,
  by: "code",
  chart: "both",
};

const PATHS: Record<Exclude<Page, "missing">, string> = { overview: "/", log: "/log" };

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
  const page: Page =
    path === "/" || path === "" || path === "/index.html" ? "overview" : path === "/log" ? "log" : "missing";
  return {
    page,
    q: params.get("q") ?? "",
    from: time("from"),
    to: time("to"),
    sel: params.get("sel") ?? "",
    live: params.get("live") === "1",
    by: choice(BYS, params.get("by"), "code"),
    chart: choice(CHARTS, params.get("chart"), "both"),
  };
}

/** Writes an address; defaults are left out, and so is what a page does not use. */
export function format(state: State): string {
  const params = new URLSearchParams();
  const put = (name: keyof State, value: string, usual: string) => {
    if (value !== usual) params.set(name, value);
  };
  if (state.page === "log") put("q", state.q, "");
  put("from", state.from, DEFAULT_RANGE.from);
  put("to", state.to, DEFAULT_RANGE.to);
  if (state.page === "log") {
    put("by", state.by, "code");
    put("chart", state.chart, "both");
    put("live", state.live ? "1" : "0", "0");
    put("sel", state.sel, "");
  }
  // `:`, `,`, `/` and `*` are legal in a query string and make searches readable there.
  const text = params.toString().replace(/%3A/g, ":").replace(/%2C/g, ",").replace(/%2F/g, "/").replace(/%2A/g, "*");
  const path = state.page === "missing" ? "/" : PATHS[state.page];
  return text === "" ? path : `${path}?${text}`;
}
