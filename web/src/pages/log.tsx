// The query log: search, facets, time, rows, the open row. What one sees is in the address; only what is being typed is not.

import { createEffect, createMemo, createSignal, For, on, onCleanup, onMount, Show, type JSX } from "solid-js";
import { api, type ApiError, type Scope } from "../api.ts";
import { count, milliseconds, span, zone } from "../lib/format.ts";
import { createQuery } from "../lib/query.ts";
import { createRows, type Rows } from "../lib/rows.ts";
import { go, href, route } from "../lib/router.ts";
import { canonical, createTicker, status } from "../lib/server.ts";
import { absolute, isAbsolute, isMoving, shift, widen, type TimeRange } from "../lib/time.ts";
import { BYS, type By, CHARTS, type Chart, EXTRAS, INITIAL } from "../lib/url.ts";
import { remember } from "../search/history.ts";
import { terms, tokenize, withFilter, withNegated, withoutTerm, type FilterMode } from "../search/tokens.ts";
import { Detail } from "../ui/detail.tsx";
import { FirstQuery, NothingFound } from "../ui/empty.tsx";
import { FACETS, Facets } from "../ui/facets.tsx";
import { isForPage } from "../ui/keys.tsx";
import { Failed, Icon, Pending, Popover } from "../ui/parts.tsx";
import { RangePicker } from "../ui/range.tsx";
import { SearchBox } from "../ui/searchbox.tsx";
import { EXTRA_COLUMNS, Table, type TableHandle } from "../ui/table.tsx";
import { TimePanel } from "../ui/timepanel.tsx";

const POINTS = 240;
const FACET_VALUES = 10;
/** How often chart, facets and totals are counted again while live. */
const LIVE_EVERY_MS = 5000;
const DAY_MS = 86_400_000;
/** On a short window the rows matter more than the chart. */
const SHORT = window.innerHeight < 800;
const FACETS_KEY = "nameward.facets";
/** A screen reader hears of new rows at most this often. */
const SAY_EVERY_MS = 10_000;

const CHART_TITLES: Record<Chart, string> = {
  both: "Chart and strip",
  stack: "Chart",
  strip: "Strip",
  none: "No chart",
};
const BY_TITLES: Record<By, string> = {
  code: "Return code",
  action: "Action",
  outcome: "Outcome",
  transport: "Transport",
  cache: "Cache",
};

function openFacets(): Set<string> {
  try {
    const kept: unknown = JSON.parse(window.localStorage.getItem(FACETS_KEY) ?? "null");
    if (Array.isArray(kept)) return new Set(kept.filter((one): one is string => typeof one === "string"));
  } catch {
    // What was kept cannot be read: the usual ones are open.
  }
  return new Set(FACETS.filter((facet) => facet.open).map((facet) => facet.field));
}

/** An error that is not a fault in the search text: that one is shown once, where the text is. */
function other(error: ApiError | undefined): ApiError | undefined {
  return error !== undefined && error.faults.length > 0 ? undefined : error;
}

export function Log(): JSX.Element {
  const [draft, setDraft] = createSignal(route().q);
  const [run, setRun] = createSignal(0);
  const [facetsOpen, setFacetsOpen] = createSignal(openFacets());
  const [drawerFacets, setDrawerFacets] = createSignal(false);
  let input!: HTMLInputElement;
  let rangeButton!: HTMLButtonElement;
  let table: TableHandle | undefined;

  // A memo, so that only another search replaces what is being typed, not another range or row.
  const ran = createMemo(() => route().q);
  createEffect(on(ran, (q) => setDraft(q), { defer: true }));
  createEffect(on(ran, remember));

  const scope = createMemo<Scope>(() => ({ q: route().q, from: route().from, to: route().to }), INITIAL, {
    equals: (a, b) => a.q === b.q && a.from === b.from && a.to === b.to,
  });
  const live = createMemo(() => route().live);
  const rows = createRows(scope, run, live);
  const tick = createTicker(LIVE_EVERY_MS, live);
  const key = () => ({ scope: scope(), run: run(), tick: tick() });
  const series = createQuery(
    () => (route().chart === "none" ? null : { ...key(), by: route().by }),
    ({ scope: at, by }, signal) => api.series(at, by, POINTS, signal),
  );
  const facets = createQuery(
    () => ({
      ...key(),
      fields: FACETS.map((facet) => facet.field).filter((field) => field === "code" || facetsOpen().has(field)),
    }),
    ({ scope: at, fields }, signal) => api.facets(at, fields, FACET_VALUES, signal),
  );
  const whole = createQuery(
    () => (route().q === "" ? null : { ...key(), scope: { ...scope(), q: "" } }),
    ({ scope: at }, signal) => api.top(at, "action", 1, signal),
  );

  const total = () => facets.data()?.total ?? 0;
  const resolved = () => {
    const range = rows.range();
    return range === undefined ? null : { from: Date.parse(range.from), to: Date.parse(range.to) };
  };
  const search = (q: string) => {
    if (q === route().q) setRun((n) => n + 1);
    go({ q, sel: "" });
  };
  /** Whether the search itself can be read; other faults, such as a range that ends before it begins, are the widget's. */
  const faultless = () => (rows.first.error()?.faults.length ?? 0) === 0;
  const filter = (field: string, value: string, mode: FilterMode) => {
    const base = draft() === route().q || !faultless() ? route().q : draft();
    search(withFilter(faultless() ? base : "", field, value, mode, canonical));
  };
  const setRange = (range: TimeRange) =>
    go({ from: range.from, to: range.to, sel: "", live: route().live && range.to === "now" });
  const setLive = (live: boolean) => {
    // The live end is now: a range that ended earlier starts over with the usual hour.
    const range = isMoving(route()) ? {} : { from: "now-1h", to: "now" };
    go({ live, ...(live ? range : {}) });
  };
  const rememberFacet = (field: string, open: boolean) => {
    if (facetsOpen().has(field) === open) return;
    const next = new Set(facetsOpen());
    if (open) next.add(field);
    else next.delete(field);
    setFacetsOpen(next);
    window.localStorage.setItem(FACETS_KEY, JSON.stringify([...next]));
  };
  const moveSelection = (by: number) => table?.move(by);

  // A new install waits for its first query.
  const isNew = () => status.data()?.log.rows === 0 && rows.rows().length === 0 && rows.first.error() === undefined;
  createEffect(
    on(
      () => status.data()?.log.rows,
      (now, before) => {
        if (before === 0 && now !== undefined && now > 0) setRun((n) => n + 1);
      },
    ),
  );

  onMount(() => {
    const keys: Record<string, () => void> = {
      "/": () => input.focus(),
      j: () => moveSelection(1),
      k: () => moveSelection(-1),
      ArrowDown: () => moveSelection(1),
      ArrowUp: () => moveSelection(-1),
      ArrowLeft: () => table?.moveColumn(-1),
      ArrowRight: () => table?.moveColumn(1),
      Enter: () => table?.open(),
      Escape: () => route().sel !== "" && go({ sel: "" }),
      f: () => table?.filter("also"),
      x: () => table?.filter("exclude"),
      l: () => setLive(!route().live),
      t: () => rangeButton.click(),
      "[": () => setRange(shift(route(), -1, Date.now())),
      "]": () => setRange(shift(route(), 1, Date.now())),
      z: () => setRange(widen(route(), Date.now())),
    };
    const key = (event: KeyboardEvent) => {
      if (!isForPage(event)) return;
      // Enter and arrows on a control are the control's.
      const onControl = event.target instanceof Element && event.target.closest("button, a, summary, .brush") !== null;
      if (onControl && (event.key === "Enter" || event.key.startsWith("Arrow"))) return;
      const act = keys[event.key];
      if (act === undefined) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", key);
    onCleanup(() => document.removeEventListener("keydown", key));
  });

  return (
    <main id="main" class="log" tabindex="-1" classList={{ "with-drawer": route().sel !== "" }}>
      <h1 class="off-screen">Query log</h1>
      <div class="log-bar">
        <SearchBox
          draft={draft()}
          onDraft={setDraft}
          onRun={search}
          faults={rows.first.error()?.faults ?? []}
          faultsOf={route().q}
          scope={scope()}
          ref={(element) => (input = element)}
        />
        <div class="log-controls">
          <RangePicker
            range={route()}
            resolved={resolved()}
            onChange={setRange}
            ref={(button) => (rangeButton = button)}
          />
          <button
            type="button"
            class="button live-button"
            classList={{ on: route().live }}
            aria-pressed={route().live}
            title="Show queries as they come  l"
            onClick={() => setLive(!route().live)}
          >
            <Icon name={route().live ? "pause" : "play"} />
            Live
          </button>
          <button
            type="button"
            class="button facets-button"
            aria-label="Filters"
            aria-expanded={drawerFacets()}
            onClick={() => setDrawerFacets(!drawerFacets())}
          >
            <Icon name="filter" />
            <span>Filters</span>
          </button>
        </div>
      </div>
      <Chips q={route().q} onSearch={search} />
      <div class="log-body">
        <aside class="facets" classList={{ shown: drawerFacets() }} aria-label="Filters">
          <div class="facets-head">
            <h2>Filters</h2>
            <button
              type="button"
              class="icon-button"
              aria-label="Close the filters"
              onClick={() => setDrawerFacets(false)}
            >
              <Icon name="close" />
            </button>
          </div>
          <Pending query={facets} />
          <Show when={other(facets.error())}>
            {(error) => <Failed error={error()} onRetry={facets.reload} what="The filters" />}
          </Show>
          <Facets reply={facets.data()} q={route().q} open={facetsOpen()} onOpen={rememberFacet} onFilter={filter} />
        </aside>
        <section class="log-main" aria-label="Queries">
          <Show when={!isNew()} fallback={<FirstQuery />}>
            <Show when={route().chart !== "none" && faultless()}>
              <div class="log-chart">
                <Pending query={series} />
                <Show when={other(series.error())}>
                  {(error) => <Failed error={error()} onRetry={series.reload} what="The chart" />}
                </Show>
                <Show when={series.data()} fallback={<div class="chart-placeholder" />}>
                  {(reply) => (
                    <TimePanel
                      series={reply()}
                      by={route().by}
                      stack={route().chart !== "strip"}
                      strip={route().chart !== "stack" && reply().lines.filter((line) => line.total > 0).length > 1}
                      rowHeight={SHORT ? 10 : 12}
                      chartHeight={SHORT ? 92 : 118}
                      zeros={false}
                      dim={series.pace() === "slow" || series.pace() === "very slow"}
                      hrefOf={(value) => href({ q: withFilter(route().q, route().by, value, "only", canonical) })}
                      onSelect={(from, to, value) => {
                        const q =
                          value === null ? route().q : withFilter(route().q, route().by, value, "only", canonical);
                        // A cell of a value that is chosen already narrows the time only.
                        go({
                          ...absolute(from, to),
                          q: q.length < route().q.length ? route().q : q,
                          sel: "",
                          live: false,
                        });
                      }}
                    />
                  )}
                </Show>
              </div>
            </Show>
            <ResultLine
              rows={rows}
              total={total()}
              whole={route().q === "" ? total() : (whole.data()?.total ?? total())}
              took={facets.data()?.took_ms}
              resolved={resolved()}
            />
            <Show when={other(rows.first.error())}>
              {(error) => <Failed error={error()} onRetry={rows.first.reload} what="The queries" />}
            </Show>
            <Pending query={rows.first} />
            <Show
              when={faultless()}
              fallback={
                <Unreadable reason={rows.first.error()?.faults[0]?.message ?? rows.first.error()?.detail ?? ""} />
              }
            >
              <Show
                when={rows.rows().length > 0 || rows.range() === undefined || rows.first.error() !== undefined}
                fallback={
                  <NothingFound
                    scope={scope()}
                    onSearch={search}
                    onWiden={() => setRange(widen(route(), Date.now()))}
                    wider="Search twice the time"
                  />
                }
              >
                <Table
                  rows={rows.rows()}
                  extras={route().cols}
                  epoch={rows.epoch()}
                  total={total()}
                  sel={route().sel}
                  long={(resolved()?.to ?? 0) - (resolved()?.from ?? 0) > DAY_MS}
                  dim={
                    rows.first.pace() === "slow" ||
                    rows.first.pace() === "very slow" ||
                    rows.first.error() !== undefined
                  }
                  fresh={rows.fresh}
                  onOpen={(row) => go({ sel: row.id }, route().sel === "" ? "push" : "replace")}
                  onFilter={filter}
                  onNearEnd={rows.more}
                  handle={(handle) => (table = handle)}
                  foot={<TableFoot rows={rows} />}
                />
              </Show>
            </Show>
          </Show>
        </section>
        <Show when={route().sel !== ""}>
          <Detail id={route().sel} onClose={() => go({ sel: "" })} onFilter={filter} onMove={moveSelection} />
        </Show>
      </div>
    </main>
  );
}

function Unreadable(props: { reason: string }): JSX.Element {
  return (
    <div class="empty" role="alert">
      <h2>This search cannot be read</h2>
      <p class="unreadable">{props.reason}. The place is underlined in the search box.</p>
    </div>
  );
}

/** The search as chips: each can be turned around or dropped. */
function Chips(props: { q: string; onSearch: (q: string) => void }): JSX.Element {
  const read = createMemo(() => terms(props.q));
  return (
    <Show when={props.q.trim() !== ""}>
      <ul class="chips" aria-label="Terms of the search">
        <Show
          when={!read().either}
          fallback={
            <li class="chip">
              <Coloured text={props.q} />
              <button
                type="button"
                class="chip-drop"
                aria-label="Drop the search"
                title="Drop"
                onClick={() => props.onSearch("")}
              >
                <Icon name="close" />
              </button>
            </li>
          }
        >
          <For each={read().terms}>
            {(term, index) => (
              <li class="chip" classList={{ negated: term.negated }}>
                <button
                  type="button"
                  class="chip-turn"
                  aria-label={`${term.negated ? "Keep to" : "Leave out"} ${term.text}`}
                  title={term.negated ? "Keep to this instead" : "Leave this out instead"}
                  onClick={() => props.onSearch(withNegated(props.q, index()))}
                >
                  <Icon name={term.negated ? "minus" : "plus"} />
                </button>
                <Coloured text={term.negated ? term.text.replace(/^(?:[-!]|NOT\s+)\s*/, "") : term.text} />
                <button
                  type="button"
                  class="chip-drop"
                  aria-label={`Drop ${term.text}`}
                  title="Drop"
                  onClick={() => props.onSearch(withoutTerm(props.q, index()))}
                >
                  <Icon name="close" />
                </button>
              </li>
            )}
          </For>
        </Show>
        <Show when={!read().either && read().terms.length > 1}>
          <li>
            <button type="button" class="link" onClick={() => props.onSearch("")}>
              Clear all
            </button>
          </li>
        </Show>
      </ul>
    </Show>
  );
}

function Coloured(props: { text: string }): JSX.Element {
  return (
    <code>
      <For each={tokenize(props.text)}>
        {(token) => <span class={`tok-${token.kind}`}>{props.text.slice(token.start, token.end)}</span>}
      </For>
    </code>
  );
}

function ResultLine(props: {
  rows: Rows;
  total: number;
  whole: number;
  took: number | undefined;
  resolved: { from: number; to: number } | null;
}): JSX.Element {
  const [said, setSaid] = createSignal("");
  let last = 0;
  createEffect(
    on(
      () => props.rows.arrived(),
      (arrived) => {
        if (arrived === 0 || Date.now() - last < SAY_EVERY_MS) return;
        last = Date.now();
        setSaid(`${count(arrived)} new queries`);
      },
    ),
  );
  const tail = () => props.rows.tail();
  return (
    <div class="result-line">
      <p>
        <b>{count(props.total)}</b>
        <Show when={props.whole !== props.total}> of {count(props.whole)}</Show>{" "}
        {props.whole === 1 ? "query" : "queries"}
        <Show when={props.took !== undefined}>
          <span class="muted took"> · {milliseconds(props.took)}</span>
        </Show>
        <Show when={props.resolved}>
          {(at) => (
            <span class="muted result-range">
              {" "}
              · {span(at().from, at().to)} {zone(at().to)}
            </span>
          )}
        </Show>
      </p>
      <Show when={tail() !== "off"}>
        <span class={`tail tail-${tail()}`}>
          <span class="dot" />
          {tail() === "live"
            ? `Live, ${count(props.rows.arrived())} new`
            : tail() === "paused"
              ? "Paused while hidden"
              : tail() === "connecting"
                ? "Connecting…"
                : "Reconnecting…"}
          <Show when={props.rows.skipped() > 0}>, {count(props.rows.skipped())} skipped</Show>
        </span>
      </Show>
      <span class="off-screen" aria-live="polite">
        {said()}
      </span>
      <div class="result-tools">
        <Show when={isAbsolute(route())}>
          <button type="button" class="button small" onClick={() => go({ from: "now-1h", to: "now" })}>
            Back to now
          </button>
        </Show>
        <Popover title="Columns" class="button small columns-button" label="Columns">
          {() => (
            <ul class="columns-menu">
              <For each={EXTRAS}>
                {(one) => (
                  <li>
                    <label>
                      <input
                        type="checkbox"
                        checked={route().cols.includes(one)}
                        onChange={(event) => {
                          const on = event.currentTarget.checked;
                          const cols = EXTRAS.filter((each) => (each === one ? on : route().cols.includes(each)));
                          go({ cols }, "replace");
                        }}
                      />
                      {EXTRA_COLUMNS[one].title}
                    </label>
                  </li>
                )}
              </For>
            </ul>
          )}
        </Popover>
        <label class="select">
          <span class="off-screen">Chart by</span>
          <select
            value={route().by}
            onChange={(event) => go({ by: BYS.find((by) => by === event.currentTarget.value) ?? "code" }, "replace")}
            disabled={route().chart === "none"}
          >
            <For each={BYS}>{(by) => <option value={by}>By {BY_TITLES[by].toLowerCase()}</option>}</For>
          </select>
        </label>
        <label class="select">
          <span class="off-screen">Chart</span>
          <select
            value={route().chart}
            onChange={(event) =>
              go({ chart: CHARTS.find((chart) => chart === event.currentTarget.value) ?? "both" }, "replace")
            }
          >
            <For each={CHARTS}>{(chart) => <option value={chart}>{CHART_TITLES[chart]}</option>}</For>
          </select>
        </label>
      </div>
    </div>
  );
}

function TableFoot(props: { rows: Rows }): JSX.Element {
  return (
    <Show when={props.rows.rows().length > 0}>
      <div class="grid-foot" role="presentation">
        <Show
          when={props.rows.moreError()}
          fallback={
            props.rows.loadingMore()
              ? "Reading older queries…"
              : props.rows.complete()
                ? "No older queries in this range"
                : ""
          }
        >
          {(error) => (
            <span class="bad">
              {error().title}: {error().detail}
            </span>
          )}
        </Show>
      </div>
    </Show>
  );
}
