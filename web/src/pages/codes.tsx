// All return codes at once: which of them came, to whom, by which way; below them every extended error.

import { createEffect, createMemo, createSignal, For, Index, on, onMount, Show, type JSX } from "solid-js";
import { api, type Count, type MatrixReply, type MatrixRow, type Scope } from "../api.ts";
import { codeShade, cssShade, FAMILIES, FAMILY_TITLES } from "../lib/codes.ts";
import { compact, count, percent, splitDomain } from "../lib/format.ts";
import { heat, isNamed, seen, shareOf } from "../lib/matrix.ts";
import { createQuery } from "../lib/query.ts";
import { fresh, go, href, route } from "../lib/router.ts";
import { canonical, codeAbout, codeEntry, createTicker, edes, ranges, registry, status } from "../lib/server.ts";
import { isMoving } from "../lib/time.ts";
import { ACROSS, SHARES, type Across, type Share } from "../lib/url.ts";
import { narrowed, selection, withFilter, withoutField } from "../search/tokens.ts";
import { FirstQuery } from "../ui/empty.tsx";
import { FamilySign, Failed, Pending, Prose, Swatch, Told } from "../ui/parts.tsx";
import { elsewhere, ScopeBar } from "../ui/scopebar.tsx";

const REFRESH_EVERY_MS = 10_000;
/** Columns of the matrix. */
const COLUMNS = 10;
/** More than there are extended errors. */
const EDES_MAX = 100;

const ACROSS_TITLES: Record<Across, string> = {
  client: "Client",
  domain: "Name",
  upstream: "Upstream",
  transport: "Transport",
  qtype: "Type",
  opcode: "Opcode",
  key: "Key",
};
const SHARE_TITLES: Record<Share, string> = { code: "its code", column: "its column" };

export function Codes(): JSX.Element {
  const [run, setRun] = createSignal(0);
  const scope = createMemo<Scope>(() => ({ q: route().q, from: route().from, to: route().to }));
  const tick = createTicker(
    REFRESH_EVERY_MS,
    createMemo(() => isMoving(route())),
  );
  const key = () => ({ scope: scope(), tick: tick(), run: run() });
  const matrix = createQuery(
    () => ({ ...key(), by: route().across }),
    ({ scope: at, by }, signal) => api.matrix(at, by, COLUMNS, signal),
  );
  const extended = createQuery(key, ({ scope: at }, signal) => api.top(at, "ede", EDES_MAX, signal));
  const isNew = () => matrix.data()?.total === 0 && status.data()?.log.rows === 0;
  const range = () => matrix.data()?.range;
  /** The log with a search, over exactly the range that was counted. */
  const log = (q: string) => {
    const at = range();
    return fresh({ page: "log", q, ...(at === undefined ? scope() : { from: at.from, to: at.to }) });
  };

  return (
    <main id="main" class="overview codes-page" tabindex="-1">
      <ScopeBar
        title={<h1>Return codes</h1>}
        scope={scope()}
        range={range()}
        error={matrix.error()}
        onRun={() => setRun((n) => n + 1)}
        keys={{}}
      />
      <Show when={isNew()}>
        <section class="card">
          <FirstQuery />
        </section>
      </Show>
      <section class="card matrix-card" aria-label="Return codes by another field">
        <div class="card-head matrix-head">
          <div class="segments" role="group" aria-label="Columns">
            <For each={ACROSS}>
              {(one) => (
                <button
                  type="button"
                  aria-pressed={route().across === one}
                  onClick={() => go({ across: one }, "replace")}
                >
                  {ACROSS_TITLES[one]}
                </button>
              )}
            </For>
          </div>
          <label class="select matrix-share">
            Colour: share of{" "}
            <select
              value={route().share}
              onChange={(event) =>
                go({ share: SHARES.find((one) => one === event.currentTarget.value) ?? "code" }, "replace")
              }
            >
              <For each={SHARES}>{(one) => <option value={one}>{SHARE_TITLES[one]}</option>}</For>
            </select>
          </label>
          <button
            type="button"
            class="button small"
            aria-pressed={selection(route().q, "code", canonical).excluded.has("noerror")}
            title="The columns are then the most frequent values of everything else"
            onClick={() => go({ q: withFilter(route().q, "code", "NOERROR", "exclude", canonical) })}
          >
            Without NOERROR
          </button>
          <p class="muted matrix-sum">
            <Show when={matrix.data()}>{(reply) => <>{sumOf(reply())}</>}</Show>
          </p>
        </div>
        <Pending query={matrix} />
        <Show when={elsewhere(matrix.error())}>
          {(error) => <Failed error={error()} onRetry={matrix.reload} what="The matrix" />}
        </Show>
        <Show when={(matrix.error()?.faults.length ?? 0) > 0}>
          <p class="failed" role="alert">
            This search cannot be read: {matrix.error()?.faults[0]?.message}. The place is underlined in the search box.
          </p>
        </Show>
        <Show when={matrix.data()} fallback={<div class="matrix-placeholder" />}>
          {(reply) => (
            <Matrix
              reply={reply()}
              share={route().share}
              log={log}
              dim={matrix.pace() === "slow" || matrix.pace() === "very slow" || matrix.error() !== undefined}
            />
          )}
        </Show>
        <ul class="families" aria-label="Families">
          <For each={FAMILIES}>
            {(family) => (
              <li>
                <FamilySign family={family} shade={codeShade("CODE", family)} /> {FAMILY_TITLES[family]}
              </li>
            )}
          </For>
        </ul>
      </section>
      <Unnamed rows={matrix.data()?.rows ?? []} />
      <Extended counts={extended.data()?.values ?? []} counted={extended.data() !== undefined} log={log}>
        <Pending query={extended} />
        <Show when={elsewhere(extended.error())}>
          {(error) => <Failed error={error()} onRetry={extended.reload} what="Their counts" />}
        </Show>
        <Show when={registry.error()}>
          {(error) => <Failed error={error()} onRetry={registry.reload} what="The catalogue" />}
        </Show>
      </Extended>
    </main>
  );
}

/** What the matrix says, in a sentence. */
function sumOf(reply: MatrixReply): string {
  if (reply.total === 0) return route().q === "" ? "No queries in this range." : "No query in this range matches.";
  const found = seen(reply);
  const parts = [
    `${count(reply.total)} ${reply.total === 1 ? "query" : "queries"}`,
    `${found.seen} of ${found.named} codes seen`,
  ];
  if (found.unnamed > 0) parts.push(`${found.unnamed} without a name`);
  if (found.silent > 0) parts.push(`${count(found.silent)} without reply`);
  return `${parts.join(", ")}.`;
}

/** How a value of the columns is read. */
function columnName(by: string, value: string): string {
  if (value === "") return by === "upstream" ? "not asked" : by === "domain" ? "no question" : "none";
  const bare = value.replace(/^"(.*)"$/, "$1");
  return by === "upstream" ? bare.replace(/^udp:\/\//, "").replace(/:53$/, "") : bare;
}

/** A name stands for all below it in a search; a column is one name alone. */
function columnValue(by: string, value: string): string {
  return by === "domain" && value !== "" ? `=${value}` : value;
}

function Matrix(props: { reply: MatrixReply; share: Share; log: (q: string) => string; dim: boolean }): JSX.Element {
  let table!: HTMLTableElement;
  const by = () => props.reply.by;
  // One cell takes the focus by Tab, arrows lead on from it.
  const [at, setAt] = createSignal<[number, number]>([0, 0]);
  const column = (value: string) => narrowed(route().q, by(), columnValue(by(), value), canonical);
  const cell = (code: string, value: string) => narrowed(column(value), "code", code, canonical);
  const tab = (row: number, place: number) => (at()[0] === row && at()[1] === place ? 0 : -1);
  const last = () => props.reply.columns.length + (props.reply.other > 0 ? 2 : 1);
  const columnTotal = (place: number) => props.reply.columns[place]?.count ?? 0;

  const key = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const [row, place] = at();
    const page = props.reply.rows.length;
    const moves: Record<string, [number, number]> = {
      ArrowUp: [-1, 0],
      ArrowDown: [1, 0],
      ArrowLeft: [0, -1],
      ArrowRight: [0, 1],
      PageUp: [-page, 0],
      PageDown: [page, 0],
      Home: [0, -page],
      End: [0, page],
    };
    const by = moves[event.key];
    if (by === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const next: [number, number] = [
      Math.max(0, Math.min(props.reply.rows.length - 1, row + by[0])),
      Math.max(0, Math.min(last(), place + by[1])),
    ];
    setAt(next);
    table.querySelector<HTMLElement>(`[data-cell="${next[0]}-${next[1]}"]`)?.focus();
  };
  const focused = (event: FocusEvent) => {
    const place = event.target instanceof HTMLElement ? event.target.dataset.cell : undefined;
    const [row, column] = (place ?? "").split("-").map(Number);
    if (row !== undefined && column !== undefined) setAt([row, column]);
  };
  createEffect(
    on(
      () => [by(), props.reply.columns.length, props.reply.rows.length],
      () => setAt(([row, place]) => [Math.min(row, props.reply.rows.length - 1), Math.min(place, last())]),
      { defer: true },
    ),
  );

  return (
    <div class="matrix-scroll" classList={{ dim: props.dim }}>
      <table
        class="matrix"
        classList={{ bare: props.reply.columns.length === 0 }}
        role="grid"
        aria-label={`Return codes by ${by()}: arrow keys move, Enter opens`}
        ref={table}
        onKeyDown={key}
        onFocusIn={focused}
        style={{ "--columns": props.reply.columns.length }}
      >
        <thead>
          <tr>
            <th scope="col" class="m-code">
              Code
            </th>
            <th scope="col" class="m-place">
              Travels in
            </th>
            <th scope="col" class="m-all number">
              All
            </th>
            <Index each={props.reply.columns}>
              {(one) => (
                <th scope="col" class="m-value">
                  <a
                    href={props.log(column(one().value))}
                    title={`${columnName(by(), one().value)}: ${count(one().count)} queries`}
                    tabindex="-1"
                  >
                    <ColumnName by={by()} value={one().value} />
                  </a>
                </th>
              )}
            </Index>
            <Show when={props.reply.other > 0}>
              <th scope="col" class="m-other number">
                Other
              </th>
            </Show>
          </tr>
        </thead>
        <tbody>
          <Index each={props.reply.rows}>
            {(row, index) => (
              <tr
                data-code={row().value}
                classList={{ zero: row().total === 0, unnamed: !isNamed(row()) }}
                style={{ "--shade": cssShade(codeShade(row().value || null, row().family)) }}
              >
                <th scope="row" class="m-code">
                  <CodeCell row={row()} tab={tab(index, 0)} cell={`${index}-0`} log={props.log} />
                </th>
                <td class="m-place muted">{placeOf(row().value)}</td>
                <td class="m-all number">
                  <Cell
                    count={row().total}
                    href={props.log(narrowed(route().q, "code", row().value, canonical))}
                    title={`${count(row().total)} of ${count(props.reply.total)} queries, ${percent(row().total, props.reply.total)}`}
                    heat={0}
                    share={null}
                    tab={tab(index, 1)}
                    cell={`${index}-1`}
                  />
                </td>
                <Index each={row().counts}>
                  {(one, place) => {
                    const value = () => props.reply.columns[place]?.value ?? "";
                    const share = () => shareOf(one(), row().total, columnTotal(place), props.share);
                    return (
                      <td class="m-value number">
                        <Cell
                          count={one()}
                          href={props.log(cell(row().value, value()))}
                          title={`${row().value || "no reply"}, ${columnName(by(), value())}: ${count(one())} queries, ${percent(one(), row().total)} of the code, ${percent(one(), columnTotal(place))} of the column`}
                          heat={heat(one(), share())}
                          share={share()}
                          tab={tab(index, place + 2)}
                          cell={`${index}-${place + 2}`}
                        />
                      </td>
                    );
                  }}
                </Index>
                <Show when={props.reply.other > 0}>
                  <td class="m-other number muted">
                    <span
                      class="m-cell"
                      tabindex={tab(index, props.reply.columns.length + 2)}
                      data-cell={`${index}-${props.reply.columns.length + 2}`}
                    >
                      {row().other === 0 ? "·" : compact(row().other)}
                    </span>
                  </td>
                </Show>
              </tr>
            )}
          </Index>
        </tbody>
      </table>
    </div>
  );
}

function ColumnName(props: { by: string; value: string }): JSX.Element {
  const name = () => columnName(props.by, props.value);
  const parts = () =>
    props.by === "domain" ? splitDomain(name(), name().split(".").slice(-2).join(".")) : (["", name()] as const);
  return (
    <>
      <span class="m-name-head muted">{parts()[0]}</span>
      <span class="m-name-tail">{parts()[1]}</span>
    </>
  );
}

/** The page of a code, for the same search but for what it says of codes: that could only empty the page. */
function codePage(code: string): string {
  return href({ page: "code", code, q: withoutField(route().q, "code", canonical) });
}

function placeOf(code: string): string {
  const entry = codeEntry(code);
  if (entry === undefined) return code === "" ? "nothing was sent" : "";
  return entry.places.map((one) => one.place.replace(" error", "")).join(" or ");
}

function CodeCell(props: { row: MatrixRow; tab: number; cell: string; log: (q: string) => string }): JSX.Element {
  const silent = () => props.row.value === "";
  const to = () => (silent() ? props.log(narrowed(route().q, "code", "", canonical)) : codePage(props.row.value));
  return (
    <a class="m-link" href={to()} title={codeAbout(props.row.value)} tabindex={props.tab} data-cell={props.cell}>
      <Show when={!silent()} fallback={<Swatch shade={codeShade(null)} hollow />}>
        <FamilySign family={props.row.family} shade={codeShade(props.row.value, props.row.family)} />
      </Show>
      <span class="m-number">{isNamed(props.row) ? props.row.number : ""}</span>
      <span class="m-name">
        {silent() ? "no reply" : props.row.value}
        <small class="m-place-small">{placeOf(props.row.value)}</small>
      </span>
    </a>
  );
}

function Cell(props: {
  count: number;
  href: string;
  title: string;
  heat: number;
  share: number | null;
  tab: number;
  cell: string;
}): JSX.Element {
  return (
    <Show
      when={props.count > 0}
      fallback={
        <span class="m-cell none" tabindex={props.tab} data-cell={props.cell}>
          {props.share === null ? "0" : "·"}
        </span>
      }
    >
      <a
        class="m-cell"
        href={props.href}
        title={props.title}
        tabindex={props.tab}
        data-cell={props.cell}
        style={{ "--heat": `${props.heat}%`, "--part": `${100 * (props.share ?? 0)}%` }}
      >
        {compact(props.count)}
      </a>
    </Show>
  );
}

/** Numbers that no document names: what each range of them means. */
function Unnamed(props: { rows: MatrixRow[] }): JSX.Element {
  const came = (first: number, last: number) =>
    props.rows.filter((row) => !isNamed(row) && row.number !== null && row.number >= first && row.number <= last);
  return (
    <section class="card" aria-labelledby="unnamed-title">
      <div class="card-head">
        <h2 id="unnamed-title">Numbers without a name</h2>
      </div>
      <ul class="ranges">
        <For each={ranges()} fallback={<li class="ranges-placeholder" />}>
          {(range) => (
            <li>
              <b>{range.first === range.last ? range.first : `${range.first}–${range.last}`}</b>
              <span>{range.name}</span>
              <span class="muted">
                <Prose text={range.meaning} />{" "}
                <For each={came(range.first, range.last)}>
                  {(row) => (
                    <>
                      <a href={codePage(row.value)}>
                        {row.value} ({count(row.total)})
                      </a>{" "}
                    </>
                  )}
                </For>
              </span>
            </li>
          )}
        </For>
      </ul>
    </section>
  );
}

/** The catalogue of extended errors, each with how often it came. */
function Extended(props: {
  counts: Count[];
  counted: boolean;
  log: (q: string) => string;
  children: JSX.Element;
}): JSX.Element {
  let list!: HTMLElement;
  const countOf = (number: number) => props.counts.find((one) => one.value === String(number))?.count ?? 0;
  // An address that names one leads to it, as soon as the catalogue is there.
  onMount(() => {
    let shown = "";
    createEffect(() => {
      const wanted = route().ede;
      if (wanted === "" || wanted === shown || edes().length === 0) return;
      shown = wanted;
      list.querySelector(`#ede-${wanted}`)?.scrollIntoView({ block: "center" });
    });
  });
  return (
    <section class="card" aria-labelledby="ede-title" ref={list}>
      <div class="card-head">
        <h2 id="ede-title">Extended errors</h2>
        <p class="muted hint">They stand beside a code and say why (RFC 8914). A reply may carry several.</p>
      </div>
      {props.children}
      <ul class="edes">
        <For each={edes()} fallback={<li class="edes-placeholder" />}>
          {(one) => (
            <li classList={{ zero: countOf(one.number) === 0 }}>
              <details
                id={`ede-${one.number}`}
                open={route().ede === String(one.number)}
                onToggle={(event) => {
                  const open = event.currentTarget.open;
                  const mine = route().ede === String(one.number);
                  if (open && !mine) go({ ede: String(one.number) }, "replace");
                  else if (!open && mine) go({ ede: "" }, "replace");
                }}
              >
                <summary>
                  <span class="ede-number">{one.number}</span>
                  <span class="ede-name">{one.name}</span>
                  <span class="ede-count">{props.counted ? count(countOf(one.number)) : ""}</span>
                  <span class="ede-meaning muted">
                    <Prose text={one.meaning} />
                  </span>
                </summary>
                <div class="ede-body">
                  <Show when={countOf(one.number) > 0}>
                    <p>
                      <a href={props.log(narrowed(route().q, "ede", String(one.number), canonical))}>
                        Show the {count(countOf(one.number))} queries
                      </a>
                    </p>
                  </Show>
                  <dl class="facts">
                    <dt>Sent by us</dt>
                    <dd>
                      <Prose text={one.sent ?? "Never: an upstream's is passed on."} />
                    </dd>
                    <dt>Comes from</dt>
                    <dd>{one.sender}</dd>
                    <dt>Defined in</dt>
                    <dd>{one.rfc}</dd>
                  </dl>
                  <Told causes={one.causes} next={one.next} />
                </div>
              </details>
            </li>
          )}
        </For>
      </ul>
    </section>
  );
}
