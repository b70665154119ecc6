// One return code: what it means, what to do about it, where it travels, and where it was seen.

import { createMemo, createSignal, For, Index, Show, type JSX } from "solid-js";
import { api, type CodeEntry, type CodeRange, type CodeReply, type Facet, type Scope } from "../api.ts";
import { codeShade, cssShade, FAMILY_TITLES, isFamily } from "../lib/codes.ts";
import { count, dayClock, duration, percent, span, splitDomain, zone } from "../lib/format.ts";
import { placesOf } from "../lib/places.ts";
import { createQuery } from "../lib/query.ts";
import { fresh, go, href, route } from "../lib/router.ts";
import { canonical, codes, createTicker, edes, ranges, registry } from "../lib/server.ts";
import { absolute, isMoving, widen } from "../lib/time.ts";
import { narrowed, withFilter, type FilterMode } from "../search/tokens.ts";
import { Bars, type BarLine } from "../ui/bars.tsx";
import { Detail } from "../ui/detail.tsx";
import { Places } from "../ui/places.tsx";
import { FamilySign, Failed, Icon, Pending, Prose, Told } from "../ui/parts.tsx";
import { elsewhere, ScopeBar } from "../ui/scopebar.tsx";
import { ROW_HEIGHT, Table, type TableHandle } from "../ui/table.tsx";
import { SeriesTable, TimePanel } from "../ui/timepanel.tsx";

const REFRESH_EVERY_MS = 10_000;
const POINTS = 180;
const TOP = 6;
const EXAMPLES = 12;
/** How far back the last one is looked for when the range has none. */
const LAST_SEEN_FROM = "now-30d";
const DAY_MS = 86_400_000;

const EMITTERS: Record<string, string> = {
  nameward: "this server",
  upstream: "an upstream resolver",
  authority: "an authoritative server",
};
const KINDS: Record<string, string> = {
  success: "a success",
  fact: "a fact, not a fault",
  policy: "a decision of policy",
  fault: "a fault",
};
const FIELD_TITLES: Record<string, string> = {
  transport: "Transport",
  opcode: "Opcode",
  outcome: "Outcome",
  action: "Action",
  ede: "Extended error",
  client: "Clients",
  domain: "Names",
  upstream: "Upstreams",
  key: "Keys",
};
const NONE_OF: Record<string, string> = { upstream: "not asked", domain: "no question", key: "no key" };

/** What the registry knows under a name or number: several for 16, none for a number without a name. */
function entriesOf(code: string): CodeEntry[] {
  const wanted = code.toUpperCase();
  return codes().filter((one) => one.name === wanted || String(one.number) === wanted);
}

function rangeOf(code: string): { number: number; range: CodeRange } | null {
  const digits = /^(?:CODE)?(\d{1,5})$/i.exec(code)?.[1];
  const number = Number(digits);
  const range = digits === undefined ? undefined : ranges().find((one) => one.first <= number && number <= one.last);
  return range === undefined ? null : { number, range };
}

export function CodePage(props: { code: string }): JSX.Element {
  const [run, setRun] = createSignal(0);
  let table: TableHandle | undefined;
  const scope = createMemo<Scope>(() => ({ q: route().q, from: route().from, to: route().to }));
  const tick = createTicker(
    REFRESH_EVERY_MS,
    createMemo(() => isMoving(route())),
  );
  const query = createQuery(
    () => ({ scope: scope(), tick: tick(), run: run() }),
    // In capitals: in small letters a path of the API might be meant.
    ({ scope: at }, signal) =>
      api.code(at, props.code.toUpperCase(), { points: POINTS, n: TOP, rows: EXAMPLES }, signal),
  );
  const entries = createMemo(() => entriesOf(props.code));
  const unnamed = createMemo(() => (entries().length > 0 ? null : rangeOf(props.code)));
  const name = () => {
    const number = unnamed()?.number;
    return number === undefined ? props.code.toUpperCase() : `CODE${number}`;
  };
  const unknown = () => query.error()?.status === 404;
  /** The neighbour in the table's order; a number without a name has none. */
  const beside = (by: number): CodeEntry | undefined => {
    const first = codes().findIndex((one) => one === entries()[by < 0 ? 0 : entries().length - 1]);
    return first < 0 ? undefined : codes()[first + by];
  };
  const walk = (by: number) => {
    const next = beside(by);
    if (next !== undefined) go({ code: next.name, sel: "" });
  };
  const back = () => href({ page: "codes" });
  const dim = () => query.pace() === "slow" || query.pace() === "very slow" || query.error() !== undefined;

  return (
    <main id="main" class="overview code-page" tabindex="-1">
      <ScopeBar
        title={
          <div class="code-title">
            <a class="crumb" href={back()}>
              Return codes
            </a>
            <span class="faint" aria-hidden="true">
              /
            </span>
            <h1>{name()}</h1>
            <span class="code-walk">
              <For each={[-1, 1]}>
                {(by) => (
                  <Show when={beside(by)}>
                    {(next) => (
                      <a
                        class="icon-button"
                        href={href({ page: "code", code: next().name })}
                        title={`${next().name}  ${by < 0 ? "p" : "n"}`}
                        aria-label={`${by < 0 ? "Previous" : "Next"} code: ${next().name}`}
                      >
                        <Icon name={by < 0 ? "left" : "right"} />
                      </a>
                    )}
                  </Show>
                )}
              </For>
            </span>
          </div>
        }
        scope={scope()}
        range={query.data()?.range}
        error={query.error()}
        onRun={() => setRun((n) => n + 1)}
        keys={{
          n: () => walk(1),
          p: () => walk(-1),
          j: () => table?.move(1),
          k: () => table?.move(-1),
          Enter: () => table?.open(),
          Escape: () => (route().sel === "" ? undefined : go({ sel: "" })),
        }}
      />
      <Show when={!unknown()} fallback={<Unknown code={props.code} />}>
        <div class="code-body">
          <div class="code-explained">
            <Show when={registry.error()}>
              {(error) => <Failed error={error()} onRetry={registry.reload} what="The explanation" />}
            </Show>
            <For
              each={entries()}
              fallback={
                <Show when={unnamed()} fallback={<section class="card explain-placeholder" />}>
                  {(found) => <ExplainRange number={found().number} range={found().range} reply={query.data()} />}
                </Show>
              }
            >
              {(entry) => <Explain entry={entry} alone={entries().length === 1} reply={query.data()} />}
            </For>
          </div>
          <div class="code-seen">
            <Pending query={query} />
            <Show when={elsewhere(query.error())}>
              {(error) => <Failed error={error()} onRetry={query.reload} what="Its counts" />}
            </Show>
            <Show when={(query.error()?.faults.length ?? 0) > 0}>
              <p class="failed" role="alert">
                This search cannot be read: {query.error()?.faults[0]?.message}. The place is underlined in the search
                box.
              </p>
            </Show>
            <Show when={query.data()} fallback={<div class="card seen-placeholder" />}>
              {(reply) => (
                <Show when={reply().total > 0} fallback={<NotSeen reply={reply()} name={name()} scope={scope()} />}>
                  <Seen reply={reply()} dim={dim()} handle={(handle) => (table = handle)} />
                </Show>
              )}
            </Show>
          </div>
        </div>
      </Show>
      <Show when={route().sel !== ""}>
        <Detail
          id={route().sel}
          onClose={() => go({ sel: "" })}
          onFilter={(field, value, mode) => filtered(query.data(), field, value, mode)}
          onMove={(by) => table?.move(by)}
        />
      </Show>
    </main>
  );
}

/** A filter chosen in the open row leads to the log: this page is about its code alone. */
function filtered(reply: CodeReply | undefined, field: string, value: string, mode: FilterMode): void {
  const q = reply?.search ?? "";
  go({
    page: "log",
    q: mode === "only" ? narrowed(q, field, value, canonical) : withFilter(q, field, value, mode, canonical),
    sel: "",
  });
}

function Unknown(props: { code: string }): JSX.Element {
  return (
    <div class="empty" role="alert">
      <h2>No return code is called {props.code}</h2>
      <p class="muted">Names such as BADVERS, numbers from 0 to 65535, and CODE4001 for numbers without a name.</p>
      <p>
        <a href={href({ page: "codes" })}>All return codes</a>
      </p>
    </div>
  );
}

function Explain(props: { entry: CodeEntry; alone: boolean; reply: CodeReply | undefined }): JSX.Element {
  const entry = () => props.entry;
  const shade = () => codeShade(entry().name, entry().family);
  /** Another code of the same number. */
  const twin = () => codes().find((one) => one.number === entry().number && one.name !== entry().name);
  const family = () => (isFamily(entry().family) ? FAMILY_TITLES[entry().family as keyof typeof FAMILY_TITLES] : "");
  return (
    <section class="card explain" style={{ "--shade": cssShade(shade()) }} aria-label={`What ${entry().name} means`}>
      <div class="explain-head">
        <span class="explain-number">{entry().number}</span>
        <div>
          <p class="explain-name">
            <FamilySign family={entry().family} shade={shade()} /> {entry().name}
            <Show when={entry().mixed !== entry().name}>
              <span class="muted"> {entry().mixed}</span>
            </Show>
          </p>
          <p class="muted">
            {family()} · {KINDS[entry().kind] ?? entry().kind}
          </p>
        </div>
        <Total name={entry().name} reply={props.reply} />
      </div>
      <p class="meaning">
        <Prose text={entry().meaning} />
      </p>
      <Show when={twin()}>
        {(other) => (
          <p class="note level-warn twin">
            {entry().number} has two names. This one travels as {placesText(entry())}; as {placesText(other())} the same
            number is{" "}
            <Show when={props.alone} fallback={other().name}>
              <a href={href({ page: "code", code: other().name })}>{other().name}</a>
            </Show>
            .
          </p>
        )}
      </Show>
      <Told causes={entry().causes} next={entry().next} />
      <h3>Where it travels</h3>
      <Places number={entry().number} name={entry().name} places={entry().places} />
      <h3>When we send it</h3>
      <p>
        <Prose text={entry().sent} />
      </p>
      <dl class="facts">
        <dt>Who makes it</dt>
        <dd>
          {entry()
            .emitters.map((one) => EMITTERS[one] ?? one)
            .join(", ")}
        </dd>
        <dt>Transports</dt>
        <dd>{entry().transports.join(", ")}</dd>
        <dt>Reply signed</dt>
        <dd>{entry().signing}</dd>
        <dt>Defined in</dt>
        <dd>{entry().rfc}</dd>
      </dl>
    </section>
  );
}

/** How often it was seen, beside what it is: on a narrow page the charts are far below. */
function Total(props: { name: string; reply: CodeReply | undefined }): JSX.Element {
  const total = (reply: CodeReply) => reply.trend.lines.find((one) => one.value === props.name)?.total ?? 0;
  return (
    <p class="explain-total">
      <Show when={props.reply}>
        {(reply) => (
          <>
            {count(total(reply()))} <small>in this range</small>
          </>
        )}
      </Show>
    </p>
  );
}

function placesText(entry: CodeEntry): string {
  return entry.places.map((one) => one.place).join(" or ");
}

function ExplainRange(props: { number: number; range: CodeRange; reply: CodeReply | undefined }): JSX.Element {
  const places = () =>
    placesOf(props.number, (header) => codes().find((one) => one.number === header)?.name ?? `CODE${header}`);
  return (
    <section class="card explain" aria-label={`What is known of ${props.number}`}>
      <div class="explain-head">
        <span class="explain-number">{props.number}</span>
        <div>
          <p class="explain-name">CODE{props.number}</p>
          <p class="muted">
            {props.range.name}: {props.range.first}–{props.range.last}
          </p>
        </div>
        <Total name={`CODE${props.number}`} reply={props.reply} />
      </div>
      <p class="meaning">
        <Prose text={props.range.meaning} />
      </p>
      <Told causes={props.range.causes} next={props.range.next} />
      <Show when={places().length > 0}>
        <h3>Where it can travel</h3>
        <Places number={props.number} name={`CODE${props.number}`} places={places()} />
      </Show>
      <dl class="facts">
        <dt>Defined in</dt>
        <dd>{props.range.rfc}</dd>
      </dl>
    </section>
  );
}

/** Where it was seen. */
function Seen(props: { reply: CodeReply; dim: boolean; handle: (handle: TableHandle) => void }): JSX.Element {
  const reply = () => props.reply;
  const at = () => ({ from: reply().range.from, to: reply().range.to });
  const log = (q: string) => fresh({ page: "log", q, ...at() });
  const series = createMemo(() => ({ ...reply().trend, range: reply().range, took_ms: reply().took_ms }));
  const clients = () => reply().top.find((one) => one.field === "client");
  const long = () => Date.parse(reply().range.to) - Date.parse(reply().range.from) > DAY_MS;
  /** Whether the page is about two codes of one number. */
  const twins = () => new Set(reply().places.map((one) => one.code)).size > 1;
  return (
    <>
      <section class="card" classList={{ dim: props.dim }}>
        <div class="card-head">
          <h2>
            {count(reply().total)} {reply().total === 1 ? "query" : "queries"}
          </h2>
          <span class="muted hint">
            {percent(reply().total, reply().of)} of {count(reply().of)}
          </span>
          <a class="more" href={log(reply().search)}>
            Show in the query log
          </a>
        </div>
        <TimePanel
          series={series()}
          by="code"
          stack
          strip={reply().trend.lines.length > 1}
          rowHeight={17}
          chartHeight={128}
          zeros={false}
          dim={false}
          hrefOf={(value) => log(narrowed(reply().search, "code", value, canonical))}
          onSelect={(from, to) => go({ ...absolute(from, to), sel: "" })}
        />
        <details class="as-table">
          <summary>As a table</summary>
          <SeriesTable series={series()} by="code" />
        </details>
      </section>
      <section class="card bar-grid short" classList={{ dim: props.dim }} aria-label="By other fields">
        <Show when={reply().places.length > 0}>
          <Bars
            title="Place"
            none="Nowhere."
            lines={reply().places.map((one) => ({
              head: "",
              tail: twins() ? `${one.code} in ${one.place}` : one.place,
              title: `${one.place}: ${count(one.count)} queries`,
              count: one.count,
              href: log(one.search),
            }))}
          />
        </Show>
        <Index each={reply().counts}>
          {(facet) => (
            <Bars
              title={FIELD_TITLES[facet().field] ?? facet().field}
              none="None."
              other={facet().other}
              lines={linesOf(facet(), reply().search, log)}
            />
          )}
        </Index>
      </section>
      <section class="card bar-grid" classList={{ dim: props.dim }} aria-label="Most frequent">
        <Index each={reply().top}>
          {(facet) => (
            <Bars
              title={FIELD_TITLES[facet().field] ?? facet().field}
              none="None."
              other={facet().other}
              lines={linesOf(facet(), reply().search, log)}
            />
          )}
        </Index>
      </section>
      <Show when={reply().rows.length > 0}>
        <section class="card examples" classList={{ dim: props.dim }}>
          <div class="card-head">
            <h2>Newest</h2>
            <span class="muted hint">
              {reply().rows.length} of {count(reply().total)},{" "}
              {(clients()?.values.length ?? 0) === 1 && clients()?.other === 0 ? "all of one client" : "newest first"}
            </span>
          </div>
          <div class="examples-frame" style={{ height: `${(reply().rows.length + 1) * ROW_HEIGHT + 14}px` }}>
            <Table
              rows={reply().rows}
              epoch={reply().search}
              total={reply().rows.length}
              sel={route().sel}
              long={long()}
              dim={false}
              fresh={new WeakSet()}
              onOpen={(row) => go({ sel: row.id }, route().sel === "" ? "push" : "replace")}
              onFilter={(field, value, mode) => filtered(reply(), field, value, mode)}
              onNearEnd={() => undefined}
              handle={props.handle}
              foot={<></>}
            />
          </div>
        </section>
      </Show>
    </>
  );
}

/** The values of a field as lines; an extended error by its name, a name with what may be cut. */
function linesOf(facet: Facet, search: string, log: (q: string) => string): BarLine[] {
  return facet.values
    .filter((one) => one.count > 0)
    .map((one) => {
      const bare = one.value.replace(/^"(.*)"$/, "$1");
      const ede = facet.field === "ede" ? edes().find((each) => String(each.number) === one.value) : undefined;
      const name =
        one.value === "" ? (NONE_OF[facet.field] ?? "none") : ede === undefined ? bare : `${ede.number} ${ede.name}`;
      const [head, tail] =
        facet.field === "domain" && one.value !== ""
          ? splitDomain(bare, bare.split(".").slice(-2).join("."))
          : (["", name] as const);
      const value = facet.field === "domain" && one.value !== "" ? `=${one.value}` : one.value;
      return {
        head,
        tail,
        title: `${name}: ${count(one.count)} queries${ede === undefined ? "" : `. ${ede.meaning}`}`,
        count: one.count,
        href: log(narrowed(search, facet.field, value, canonical)),
      };
    });
}

/** Nothing in this range: says over what that was counted, when it was seen last, and where to look next. */
function NotSeen(props: { reply: CodeReply; name: string; scope: Scope }): JSX.Element {
  const last = createQuery(
    () => props.name,
    (name, signal) => api.rows({ q: `code:${name}`, from: LAST_SEEN_FROM, to: "now" }, { limit: 1 }, signal),
  );
  const row = () => last.data()?.rows[0];
  const at = () => ({ from: Date.parse(props.reply.range.from), to: Date.parse(props.reply.range.to) });
  const entries = () => props.reply.codes;
  const fault = () => entries().length > 0 && entries().every((one) => one.kind === "fault");
  // An hour about the last one: enough to see what came with it.
  const about = (ms: number) => absolute(ms - 1_800_000, ms + 1_800_000);
  const words = () =>
    entries()
      .map((one) => one.name)
      .join(" or ") || props.name;
  return (
    <section class="card not-seen">
      <h2>
        {props.reply.of === 0 && props.scope.q === ""
          ? "No queries at all in this range"
          : `None: no reply carried ${words()}`}
      </h2>
      <p>
        {span(at().from, at().to)} {zone(at().to)}.{" "}
        <Show when={props.reply.of > 0}>
          {count(props.reply.of)} {props.reply.of === 1 ? "query was" : "queries were"} logged
          {props.scope.q === "" ? "" : " that match the search"}, not one with this code.
          {fault() ? " That is as it should be." : ""}
        </Show>
      </p>
      <p class="last-seen">
        <Show
          when={last.data() !== undefined}
          fallback={
            <span class="muted">
              {last.error() === undefined
                ? "Looking for the last one…"
                : "When it was seen last could not be found out."}
            </span>
          }
        >
          <Show when={row()} fallback={<>Nor was it seen in the last 30 days, with or without a search.</>}>
            {(found) => (
              <>
                Last seen{" "}
                <a href={href({ ...about(Date.parse(found().time)), q: "" })}>
                  {dayClock(Date.parse(found().time))}, {duration(Date.now() - Date.parse(found().time))} ago
                </a>
                , by {found().client}
                {found().domain === null ? "" : ` asking ${found().domain ?? ""}`}.
              </>
            )}
          </Show>
        </Show>
      </p>
      <div class="not-seen-tools">
        <Show when={props.scope.q !== ""}>
          <button type="button" class="button" onClick={() => go({ q: "" })}>
            Without the search
          </button>
        </Show>
        <button type="button" class="button" onClick={() => go(widen(route(), Date.now()))}>
          Twice the time
        </button>
        <button type="button" class="button" onClick={() => go({ from: "now-7d", to: "now" })}>
          Last 7 days
        </button>
      </div>
    </section>
  );
}
