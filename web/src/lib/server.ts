// What the whole page knows of the server: who we are to it, how it is, its codes and fields.

import { createEffect, createRoot, createSignal, onCleanup } from "solid-js";
import { api, onUnauthorized, type CodeEntry, type CodeRange, type EdeInfo, type FieldEntry } from "../api.ts";
import { createQuery } from "./query.ts";

const STATUS_EVERY_MS = 10_000;
/** While the log is empty someone is waiting for the first query. */
const FIRST_QUERY_EVERY_MS = 2000;

/** `starting` until a token in the address, if any, was tried; nothing is asked of the server before. */
export type Session = "starting" | "in" | "out";
const [session, setSession] = createSignal<Session>("starting");
const [visible, setVisible] = createSignal(!document.hidden);
document.addEventListener("visibilitychange", () => setVisible(!document.hidden));
onUnauthorized(() => setSession("out"));

export { session, setSession, visible };

/** Counts up at an interval while the page is seen and `active`. */
export function createTicker(everyMs: number, active: () => boolean): () => number {
  const [tick, setTick] = createSignal(0);
  createEffect(() => {
    if (!active() || !visible() || session() !== "in") return;
    const timer = window.setInterval(() => setTick((n) => n + 1), everyMs);
    onCleanup(() => window.clearInterval(timer));
  });
  return tick;
}

const shared = createRoot(() => {
  const here = () => (session() === "in" ? "here" : null);
  const tick = createTicker(STATUS_EVERY_MS, () => true);
  const [empty, setEmpty] = createSignal(false);
  const soon = createTicker(FIRST_QUERY_EVERY_MS, empty);
  const status = createQuery(
    () => (session() === "in" ? `${tick()} ${soon()}` : null),
    (_, signal) => api.status(signal),
  );
  createEffect(() => setEmpty(status.data()?.log.rows === 0));
  return {
    status,
    codes: createQuery(here, (_, signal) => api.codes(signal)),
    fields: createQuery(here, (_, signal) => api.fields(signal)),
  };
});

export const status = shared.status;

export function codes(): CodeEntry[] {
  return shared.codes.data()?.codes ?? [];
}

/** Numbers without a name. */
export function ranges(): CodeRange[] {
  return shared.codes.data()?.ranges ?? [];
}

export function edes(): EdeInfo[] {
  return shared.codes.data()?.ede ?? [];
}

/** The registry's own request: pages that live from it show its wait and its failure. */
export const registry = shared.codes;

export function fields(): FieldEntry[] {
  return shared.fields.data() ?? [];
}

/** The field a name or alias means; itself when unknown. */
export function canonical(name: string): string {
  const wanted = name.toLowerCase();
  return fields().find((field) => field.name === wanted || field.aliases.includes(wanted))?.name ?? wanted;
}

export function codeEntry(name: string | null): CodeEntry | undefined {
  return name === null ? undefined : codes().find((code) => code.name === name);
}

/** What a code means, in one line for a tooltip; the plain name while or where the registry does not say. */
export function codeAbout(name: string | null): string {
  if (name === null || name === "") return "No reply was sent or came.";
  const entry = codeEntry(name);
  return entry === undefined ? name : `${entry.number} ${entry.name}: ${entry.meaning}`;
}
