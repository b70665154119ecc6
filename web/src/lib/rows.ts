// The rows of one search: pages of them by cursor, new ones in front while live.

import { batch, createEffect, createMemo, createSignal, on, onCleanup, type Accessor } from "solid-js";
import { api, ROWS_PAGE, type ApiError, type EventRow, type Range, type Scope, type TailRows } from "../api.ts";
import { createQuery, toApiError, type Query } from "./query.ts";
import { visible } from "./server.ts";
import { ROWS_MAX } from "./window.ts";

/** Rows kept while live; older ones are let go and come back by scrolling. */
export const LIVE_ROWS_MAX = 5000;
const RECONNECT_AFTER_MS = 3000;
/** How long a row counts as new. */
const FRESH_MS = 1500;

export type TailState = "off" | "connecting" | "live" | "paused" | "reconnecting";

export interface Rows {
  rows: Accessor<EventRow[]>;
  range: Accessor<Range | undefined>;
  first: Query<unknown>;
  more: () => void;
  loadingMore: Accessor<boolean>;
  moreError: Accessor<ApiError | undefined>;
  complete: Accessor<boolean>;
  /** Which search the rows belong to. */
  epoch: Accessor<string>;
  tail: Accessor<TailState>;
  skipped: Accessor<number>;
  arrived: Accessor<number>;
  fresh: WeakSet<EventRow>;
}

export function createRows(scope: Accessor<Scope | null>, run: Accessor<number>, live: Accessor<boolean>): Rows {
  const [rows, setRows] = createSignal<EventRow[]>([]);
  const [range, setRange] = createSignal<Range>();
  const [next, setNext] = createSignal<string | null>(null);
  const [epoch, setEpoch] = createSignal("");
  const [loadingMore, setLoadingMore] = createSignal(false);
  const [moreError, setMoreError] = createSignal<ApiError>();
  const fresh = new WeakSet<EventRow>();
  let serial = 0;

  const key = createMemo(() => {
    const wanted = scope();
    return wanted === null ? null : { ...wanted, run: run() };
  });
  const first = createQuery(key, (wanted, signal) =>
    api
      .rows({ q: wanted.q, from: wanted.from, to: wanted.to }, { limit: ROWS_PAGE }, signal)
      .then((reply) => ({ reply, wanted })),
  );

  let paging: AbortController | undefined;
  createEffect(
    on(first.data, (page) => {
      if (page === undefined) return;
      paging?.abort();
      serial += 1;
      batch(() => {
        setRows(page.reply.rows);
        setRange(page.reply.range);
        setNext(page.reply.next);
        setMoreError(undefined);
        setLoadingMore(false);
        setEpoch(`${serial}`);
      });
    }),
  );

  const more = () => {
    const cursor = next();
    const page = first.data();
    const fixed = range();
    if (cursor === null || page === undefined || fixed === undefined || loadingMore() || rows().length >= ROWS_MAX)
      return;
    if (first.pace() !== "idle" || moreError() !== undefined) return;
    const mine = new AbortController();
    paging = mine;
    setLoadingMore(true);
    // The range as the first page resolved it: a moving one must not slide while one reads on.
    api.rows({ q: page.wanted.q, from: fixed.from, to: fixed.to }, { limit: ROWS_PAGE, cursor }, mine.signal).then(
      (reply) => {
        if (paging !== mine) return;
        batch(() => {
          setRows((kept) => [...kept, ...reply.rows]);
          setNext(reply.next);
          setLoadingMore(false);
        });
      },
      (reason: unknown) => {
        if (paging !== mine || mine.signal.aborted) return;
        batch(() => {
          setMoreError(toApiError(reason));
          setLoadingMore(false);
        });
      },
    );
  };

  const [tail, setTail] = createSignal<TailState>("off");
  const [skipped, setSkipped] = createSignal(0);
  const [arrived, setArrived] = createSignal(0);
  const prepend = (found: TailRows) => {
    const kept = rows();
    const known = new Set(kept.slice(0, 2 * ROWS_PAGE).map((row) => row.id));
    const added = found.rows.filter((row) => !known.has(row.id));
    batch(() => {
      setSkipped((n) => n + found.skipped);
      if (added.length === 0) return;
      setArrived((n) => n + added.length);
      for (const row of added) {
        fresh.add(row);
        window.setTimeout(() => fresh.delete(row), FRESH_MS);
      }
      const all = [...added, ...kept];
      const last = all[LIVE_ROWS_MAX - 1];
      // The cursor of a row is its id: what is cut off here is found again by scrolling.
      if (all.length > LIVE_ROWS_MAX && last !== undefined) setNext(last.id);
      setRows(all.slice(0, LIVE_ROWS_MAX));
    });
  };

  const tailed = createMemo(() => (live() ? (scope()?.q ?? null) : null));
  createEffect(
    on([tailed, visible], ([q, seen]) => {
      if (q === null) return void setTail("off");
      if (!seen) return void setTail("paused");
      let source: EventSource | undefined;
      let timer = 0;
      setTail("connecting");
      const connect = () => {
        source = new EventSource(api.tailAddress(q));
        source.addEventListener("open", () => setTail("live"));
        source.addEventListener("rows", (event: MessageEvent<string>) => prepend(JSON.parse(event.data) as TailRows));
        source.addEventListener("error", () => {
          setTail("reconnecting");
          // The browser tries again by itself unless the server refused.
          if (source?.readyState !== EventSource.CLOSED) return;
          timer = window.setTimeout(connect, RECONNECT_AFTER_MS);
        });
      };
      connect();
      onCleanup(() => {
        window.clearTimeout(timer);
        source?.close();
      });
    }),
  );
  createEffect(
    on(tailed, () => {
      setSkipped(0);
      setArrived(0);
    }),
  );
  onCleanup(() => paging?.abort());

  return {
    rows,
    range,
    first,
    more,
    loadingMore,
    moreError,
    epoch,
    tail,
    skipped,
    arrived,
    fresh,
    complete: () => next() === null || rows().length >= ROWS_MAX,
  };
}
