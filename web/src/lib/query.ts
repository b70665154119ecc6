// A request whose last good answer stays on the page while the next one is under way or has failed.

import { createEffect, createMemo, createSignal, on, onCleanup, type Accessor } from "solid-js";
import { ApiError } from "../api.ts";

/** A bar shows after this long: shorter waits would only flicker. */
const SLOW_AFTER_MS = 150;
/** From here on one may want to stop it. */
const VERY_SLOW_AFTER_MS = 2000;

export interface Query<T> {
  data: Accessor<T | undefined>;
  error: Accessor<ApiError | undefined>;
  /** `idle`, or how long it has been running. */
  pace: Accessor<"idle" | "quick" | "slow" | "very slow">;
  reload: () => void;
  cancel: () => void;
}

/** Asks again whenever `key` changes (compared as text); a null key asks nothing. */
export function createQuery<K, T>(key: Accessor<K | null>, ask: (key: K, signal: AbortSignal) => Promise<T>): Query<T> {
  const [data, setData] = createSignal<T | undefined>(undefined);
  const [error, setError] = createSignal<ApiError | undefined>(undefined);
  const [pace, setPace] = createSignal<"idle" | "quick" | "slow" | "very slow">("idle");
  const [again, setAgain] = createSignal(0);
  const text = createMemo(() => JSON.stringify(key()));
  let running: AbortController | undefined;
  let timers: number[] = [];

  const stop = () => {
    running?.abort();
    running = undefined;
    timers.forEach((timer) => window.clearTimeout(timer));
    timers = [];
    setPace("idle");
  };

  createEffect(
    on([text, again], () => {
      stop();
      const wanted = JSON.parse(text()) as K | null;
      if (wanted === null) return;
      const mine = new AbortController();
      running = mine;
      setPace("quick");
      timers = [
        window.setTimeout(() => setPace("slow"), SLOW_AFTER_MS),
        window.setTimeout(() => setPace("very slow"), VERY_SLOW_AFTER_MS),
      ];
      const settle = (act: () => void) => {
        if (running !== mine) return;
        stop();
        act();
      };
      ask(wanted, mine.signal).then(
        (value) =>
          settle(() => {
            setError(undefined);
            setData(() => value);
          }),
        (reason: unknown) => settle(() => setError(toApiError(reason))),
      );
    }),
  );
  onCleanup(stop);
  return { data, error, pace, reload: () => setAgain((n) => n + 1), cancel: stop };
}

export function toApiError(reason: unknown): ApiError {
  if (reason instanceof ApiError) return reason;
  return new ApiError(0, "The page failed", reason instanceof Error ? reason.message : String(reason));
}
