// The first page: how things are, what stands out, and one click from each figure to the queries behind it.

import { createMemo, createSignal, Index, Show, type JSX } from "solid-js";
import { api, type Count, type Figures, type Scope, type SeriesReply, type Summary } from "../api.ts";
import { codeShade, cssShade, lineShade, type Shade } from "../lib/codes.ts";
import {
  EMPTY,
  change,
  compact,
  count,
  milliseconds,
  percent,
  span,
  splitDomain,
  zone,
  type Change,
} from "../lib/format.ts";
import { burstsOf } from "../lib/bursts.ts";
import { createQuery, type Query } from "../lib/query.ts";
import { fresh, go, route } from "../lib/router.ts";
import { codes, createTicker, status } from "../lib/server.ts";
import { absolute, isMoving } from "../lib/time.ts";
import { valueText } from "../search/tokens.ts";
import { FirstQuery } from "../ui/empty.tsx";
import { Upstreams } from "../ui/health.tsx";
import { CodeName, Failed, Pending, Sparkline } from "../ui/parts.tsx";
import { RangePicker } from "../ui/range.tsx";
import { SeriesTable, TimePanel } from "../ui/timepanel.tsx";

const REFRESH_EVERY_MS = 10_000;
const POINTS = 180;
const TOP = 8;

/** A number whose rise is bad news, good news, or only news. */
type Sense = "bad" | "good" | "plain";

interface Figure {
  title: string;
  value: string;
  /** In smaller print behind the value. */
  unit?: string;
  change: Change | null;
  sense: Sense;
  href: string;
  spark?: { values: number[]; shade: Shade };
  about?: string;
}

export function Overview(): JSX.Element {
  const scope = createMemo<Scope>(() => ({ q: "", from: route().from, to: route().to }));
  const moving = createMemo(() => isMoving(route()));
  const tick = createTicker(REFRESH_EVERY_MS, moving);
  const key = () => ({ scope: scope(), tick: tick() });
  const top = (q: string, field: string) =>
    createQuery(key, ({ scope: at }, signal) => api.top({ ...at, q }, field, TOP, signal));

  const summary = createQuery(key, ({ scope: at }, signal) => api.summary(at, signal));
  const series = createQuery(key, ({ scope: at }, signal) => api.series(at, "code", POINTS, signal));
  const actions = createQuery(key, ({ scope: at }, signal) => api.series(at, "action", POINTS, signal));
  const caches = createQuery(key, ({ scope: at }, signal) => api.series(at, "cache", POINTS, signal));
  const domains = top("", "reg_domain");
  const clients = top("", "client");
  const blocked = top("action:block", "domain");
  const failing = top("code:SERVFAIL", "reg_domain");

  const range = () => summary.data()?.range ?? series.data()?.range;
  /** The log with a search, over exactly the range the figure was counted in. */
  const log = (q: string, over = range()) =>
    fresh({ page: "log", q, ...(over === undefined ? scope() : { from: over.from, to: over.to }) });
  const resolved = () => {
    const now = range();
    return now === undefined ? null : { from: Date.parse(now.from), to: Date.parse(now.to) };
  };
  const isNew = () => summary.data()?.current.queries === 0 && status.data()?.log.rows === 0;

  return (
    <main id="main" class="overview" tabindex="-1">
      <div class="page-head">
        <h1>Overview</h1>
        <span class="page-range muted">
          <Show when={resolved()}>
            {(at) => (
              <>
                {span(at().from, at().to)} <span class="zone">{zone(at().to)}</span>
              </>
            )}
          </Show>
        </span>
        <RangePicker range={route()} resolved={resolved()} onChange={(next) => go(next)} />
      </div>
      <Show when={!isNew()} fallback={<FirstQuery />}>
        <section aria-label="Figures">
          <Pending query={summary} />
          <Show when={summary.error()}>
            {(error) => <Failed error={error()} onRetry={summary.reload} what="The figures" />}
          </Show>
          <Show when={summary.data()} fallback={<div class="figures placeholder" />}>
            {(now) => <FigureRow figures={figuresOf(now(), series.data(), actions.data(), caches.data(), log)} />}
          </Show>
        </section>

        <div class="overview-main">
          <CodePanel series={series} log={log} />
          <div class="side">
            <Changes series={series} />
            <section class="card">
              <div class="card-head">
                <h2>Upstreams</h2>
              </div>
              <Show when={status.error()}>
                {(error) => <Failed error={error()} onRetry={status.reload} what="The upstreams" />}
              </Show>
              <Show when={status.data()}>
                {(now) => <Upstreams status={now()} hrefOf={(name) => log(`upstream:${valueText(name)}`)} />}
              </Show>
            </section>
          </div>
        </div>

        <div class="tops">
          <Top
            title="Top domains"
            query={domains}
            log={log}
            q={(value) => `reg_domain:${valueText(value)}`}
            domain
            shade={lineShade("action", "pass", null, 0)}
          />
          <Top
            title="Top blocked"
            query={blocked}
            log={log}
            q={(value) => `action:block domain:${valueText(`=${value}`)}`}
            all="action:block"
            domain
            shade={lineShade("action", "block", null, 0)}
          />
          <Top
            title="Top clients"
            query={clients}
            log={log}
            q={(value) => `client:${valueText(value)}`}
            shade={lineShade("cache", "hit", null, 0)}
          />
          <Top
            title="Failing domains"
            query={failing}
            log={log}
            q={(value) => `code:SERVFAIL reg_domain:${valueText(value)}`}
            all="code:SERVFAIL"
            domain
            shade={codeShade("SERVFAIL")}
          />
        </div>
      </Show>
    </main>
  );
}

function line(series: SeriesReply | undefined, value: string): number[] {
  return series?.lines.find((one) => one.value === value)?.counts ?? [];
}

function all(series: SeriesReply | undefined): number[] {
  return (series?.starts ?? []).map((_, index) =>
    (series?.lines ?? []).reduce((sum, one) => sum + (one.counts[index] ?? 0), 0),
  );
}

/** Few enough points for a line of 100 pixels. */
function thin(values: number[], wanted = 45): number[] {
  const step = Math.max(1, Math.ceil(values.length / wanted));
  const sums: number[] = [];
  for (let at = 0; at < values.length; at += step)
    sums.push(values.slice(at, at + step).reduce((sum, one) => sum + one, 0) / Math.min(step, values.length - at));
  return sums;
}

function figuresOf(
  now: Summary,
  codesSeries: SeriesReply | undefined,
  actions: SeriesReply | undefined,
  caches: SeriesReply | undefined,
  log: (q: string, over?: Summary["range"]) => string,
): Figure[] {
  const { current, previous } = now;
  const share = (part: (figures: Figures) => number) =>
    change(
      current.queries === 0 ? null : part(current) / current.queries,
      previous.queries === 0 ? null : part(previous) / previous.queries,
    );
  const to = (q: string) => log(q, now.range);
  const hits = line(caches, "hit").map((hit, index) => hit + (line(caches, "stale")[index] ?? 0));
  return [
    {
      title: "Queries",
      value: compact(current.queries),
      change: change(current.queries, previous.queries),
      sense: "plain",
      href: to(""),
      spark: { values: thin(all(codesSeries)), shade: codeShade("NOERROR") },
    },
    {
      title: "Blocked",
      value: percent(current.blocked, current.queries),
      change: share((one) => one.blocked),
      sense: "plain",
      href: to("action:block"),
      spark: { values: thin(line(actions, "block")), shade: lineShade("action", "block", null, 0) },
      about: count(current.blocked),
    },
    {
      title: "SERVFAIL",
      value: percent(current.servfail, current.queries),
      change: share((one) => one.servfail),
      sense: "bad",
      href: to("code:SERVFAIL"),
      spark: { values: thin(line(codesSeries, "SERVFAIL")), shade: codeShade("SERVFAIL") },
      about: count(current.servfail),
    },
    {
      title: "NXDOMAIN",
      value: percent(current.nxdomain, current.queries),
      change: share((one) => one.nxdomain),
      sense: "plain",
      href: to("code:NXDOMAIN"),
      spark: { values: thin(line(codesSeries, "NXDOMAIN")), shade: codeShade("NXDOMAIN") },
      about: count(current.nxdomain),
    },
    {
      title: "Cache hits",
      value: percent(current.cache_hits, current.queries),
      change: share((one) => one.cache_hits),
      sense: "good",
      href: to("cache:hit,stale"),
      spark: { values: thin(hits), shade: lineShade("cache", "hit", null, 0) },
      about: count(current.cache_hits),
    },
    {
      title: "Latency p50",
      value: milliseconds(current.latency_p50_ms),
      change: change(current.latency_p50_ms, previous.latency_p50_ms),
      sense: "bad",
      href: to(""),
    },
    {
      title: "Latency p95",
      value: milliseconds(current.latency_p95_ms),
      change: change(current.latency_p95_ms, previous.latency_p95_ms),
      sense: "bad",
      href: to(current.latency_p95_ms === null ? "" : `latency:>=${Number(current.latency_p95_ms.toPrecision(3))}ms`),
    },
    {
      title: "Clients",
      value: compact(current.clients),
      change: change(current.clients, previous.clients),
      sense: "plain",
      href: to(""),
    },
  ];
}

function FigureRow(props: { figures: Figure[] }): JSX.Element {
  return (
    <ul class="figures">
      <Index each={props.figures}>
        {(figure) => (
          <li>
            <a class="figure" href={figure().href} title={`${figure().title}: show the queries`}>
              <span class="figure-title">{figure().title}</span>
              <span class="figure-value">{figure().value}</span>
              <span class="figure-foot">
                <Show when={figure().change} fallback={<span class="change same">{figure().about ?? EMPTY}</span>}>
                  {(now) => (
                    <span class={`change ${now().direction} sense-${figure().sense}`} title="Against the period before">
                      {now().text}
                    </span>
                  )}
                </Show>
              </span>
              <Show when={figure().spark}>
                {(spark) => <Sparkline values={spark().values} shade={spark().shade} />}
              </Show>
            </a>
          </li>
        )}
      </Index>
    </ul>
  );
}

function CodePanel(props: {
  series: Query<SeriesReply>;
  log: (q: string, over?: Summary["range"]) => string;
}): JSX.Element {
  const [zeros, setZeros] = createSignal(true);
  /** The reply with a row for each named code, in the order of the table. */
  const full = createMemo<SeriesReply | undefined>(() => {
    const reply = props.series.data();
    if (reply === undefined) return undefined;
    const known = new Set(codes().map((code) => code.name));
    const empty = reply.starts.map(() => 0);
    const named = codes().map(
      (code) =>
        reply.lines.find((one) => one.value === code.name) ?? {
          value: code.name,
          number: code.number,
          family: code.family,
          total: 0,
          counts: empty,
        },
    );
    return { ...reply, lines: [...named, ...reply.lines.filter((one) => !known.has(one.value))] };
  });
  const silent = () => full()?.lines.filter((one) => one.total === 0).length ?? 0;
  return (
    <section class="card code-panel">
      <div class="card-head">
        <h2>
          <a href={fresh({ page: "codes", from: route().from, to: route().to })}>Return codes</a>
        </h2>
        <p class="muted hint">Each row on its own scale. Drag for a range, click a cell for its queries.</p>
        <Show when={silent() > 0}>
          <button type="button" class="button small" onClick={() => setZeros(!zeros())}>
            {zeros() ? "Hide" : "Show"} {silent()} without queries
          </button>
        </Show>
      </div>
      <Pending query={props.series} />
      <Show when={props.series.error()}>
        {(error) => <Failed error={error()} onRetry={props.series.reload} what="The chart" />}
      </Show>
      <Show when={full()} fallback={<div class="panel-placeholder" />}>
        {(reply) => (
          <>
            <TimePanel
              series={reply()}
              by="code"
              stack
              strip
              rowHeight={17}
              chartHeight={132}
              zeros={zeros()}
              dim={props.series.pace() === "very slow"}
              hrefOf={(value) => props.log(codeSearch(value), reply().range)}
              onSelect={(from, to, value) =>
                go({ page: "log", q: value === null ? "" : codeSearch(value), ...absolute(from, to), sel: "" })
              }
            />
            <details class="as-table">
              <summary>As a table</summary>
              <SeriesTable series={reply()} by="code" />
            </details>
          </>
        )}
      </Show>
    </section>
  );
}

function Changes(props: { series: Query<SeriesReply> }): JSX.Element {
  const bursts = createMemo(() => burstsOf(props.series.data()));
  return (
    <section class="card changes">
      <div class="card-head">
        <h2>What stands out</h2>
      </div>
      <Show when={bursts().length > 0} fallback={<p class="muted">Nothing out of the ordinary in this range.</p>}>
        <ul>
          <Index each={bursts()}>
            {(one) => (
              <li>
                <a href={fresh({ page: "log", q: codeSearch(one().value), ...absolute(one().from, one().to) })}>
                  <span class="burst-name">
                    <CodeName name={one().value || null} family={one().family} />
                  </span>
                  <span class="burst-size">{factorText(one().factor)}</span>
                  <span class="burst-when muted">
                    {span(one().from, one().to)}, {count(one().total)} {one().total === 1 ? "query" : "queries"}
                  </span>
                </a>
              </li>
            )}
          </Index>
        </ul>
      </Show>
    </section>
  );
}

/** How far a burst rises above what was expected. */
function factorText(factor: number | null): string {
  return factor === null ? "only then" : `×${factor < 10 ? factor.toFixed(1) : count(factor)}`;
}

/** The search for one code; the empty value stands for queries that got no reply. */
function codeSearch(value: string): string {
  return value === "" ? "-has:code" : `code:${valueText(value)}`;
}

function Top(props: {
  title: string;
  query: Query<{ values: Count[]; other: number; total: number; range: Summary["range"] }>;
  log: (q: string, over?: Summary["range"]) => string;
  q: (value: string) => string;
  all?: string;
  domain?: boolean;
  shade: Shade;
}): JSX.Element {
  const most = () => Math.max(1, ...(props.query.data()?.values ?? []).map((one) => one.count));
  return (
    <section class="card top" style={{ "--shade": cssShade(props.shade) }}>
      <div class="card-head">
        <h2>{props.title}</h2>
        <Show when={props.all !== undefined && (props.query.data()?.total ?? 0) > 0}>
          <a class="more" href={props.log(props.all ?? "", props.query.data()?.range)}>
            {compact(props.query.data()?.total ?? 0)} in all
          </a>
        </Show>
      </div>
      <Pending query={props.query} />
      <Show when={props.query.error()}>
        {(error) => <Failed error={error()} onRetry={props.query.reload} what={props.title} />}
      </Show>
      <Show when={props.query.data()} fallback={<div class="top-placeholder" />}>
        {(reply) => (
          <ol class="top-list">
            <Index
              each={reply().values.filter((one) => one.value !== "")}
              fallback={<li class="muted none">None in this range.</li>}
            >
              {(one) => {
                const name = () => one().value.replace(/^"(.*)"$/, "$1");
                const parts = () =>
                  props.domain === true
                    ? splitDomain(name(), name().split(".").slice(-2).join("."))
                    : (["", name()] as const);
                return (
                  <li>
                    <a
                      href={props.log(props.q(one().value), reply().range)}
                      style={{ "--share": `${(100 * one().count) / most()}%` }}
                      title={`${name()}: ${count(one().count)} queries`}
                    >
                      <span class="top-name domain">
                        <span class="domain-head">{parts()[0]}</span>
                        <span class="domain-tail">{parts()[1]}</span>
                      </span>
                      <span class="top-share muted">{percent(one().count, reply().total)}</span>
                      <span class="top-count">{compact(one().count)}</span>
                    </a>
                  </li>
                );
              }}
            </Index>
          </ol>
        )}
      </Show>
    </section>
  );
}
