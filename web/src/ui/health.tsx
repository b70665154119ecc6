// How the server is: a dot in the bar, everything behind it one click away.

import { For, Index, Show, type JSX } from "solid-js";
import { api, type ListStatus, type Status } from "../api.ts";
import { bytes, count, dayClock, duration, milliseconds, percent } from "../lib/format.ts";
import { setSession, status } from "../lib/server.ts";
import { Popover } from "./parts.tsx";

const WORDS: Record<string, string> = { ok: "Healthy", warn: "Attention", fail: "Failing" };

/** The state shown: the server's own word, worse when the log is not written, unknown when it cannot be reached. */
export function health(): { level: string; word: string } {
  if (status.error() !== undefined) return { level: "fail", word: "No connection" };
  const now = status.data();
  if (now === undefined) return { level: "unknown", word: "…" };
  if (now.log.stopped !== null) return { level: "fail", word: "Log stopped" };
  return { level: now.health, word: WORDS[now.health] ?? now.health };
}

export function Health(): JSX.Element {
  return (
    <Popover
      title="Server status"
      class="button quiet health"
      panelClass="status-panel"
      label={
        <>
          <span class={`dot level-${health().level}`} />
          <span class="health-word">{health().word}</span>
        </>
      }
    >
      {() => <StatusPanel />}
    </Popover>
  );
}

function StatusPanel(): JSX.Element {
  const signOut = () => {
    api.signOut().then(
      () => setSession("out"),
      () => setSession("out"),
    );
  };
  return (
    <Show when={status.data()} fallback={<p class="muted">{status.error()?.detail ?? "Asking the server…"}</p>}>
      {(now) => (
        <>
          <Show when={status.error()}>
            {(error) => (
              <p class="note level-fail">
                <b>{error().title}</b> {error().detail}. What follows is what was last known.
              </p>
            )}
          </Show>
          <Index each={now().notes}>
            {(note) => (
              <p class={`note level-${note().level}`}>
                <b>{note().part}</b> {note().text}
              </p>
            )}
          </Index>
          <h3>Answers on</h3>
          <ul class="plain mono">
            <For each={now().listeners} fallback={<li class="muted">nothing</li>}>
              {(one) => <li>{one}</li>}
            </For>
          </ul>
          <h3>Upstreams</h3>
          <Upstreams status={now()} />
          <h3>Lists</h3>
          <ul class="plain lists">
            <Index each={now().lists} fallback={<li class="muted">none</li>}>
              {(list) => <List list={list()} />}
            </Index>
          </ul>
          <h3>Log</h3>
          <LogFacts status={now()} />
          <footer class="status-foot">
            <span class="muted">
              Nameward {now().version}, up {duration(Date.now() - Date.parse(now().started))}
            </span>
            <button type="button" class="button small" onClick={signOut}>
              Sign out
            </button>
          </footer>
        </>
      )}
    </Show>
  );
}

/** The upstreams, one below the other; each a link where the caller has one for it. */
export function Upstreams(props: { status: Status; hrefOf?: (name: string) => string }): JSX.Element {
  return (
    <ul class="upstreams">
      <Index each={props.status.upstreams} fallback={<li class="muted">None are set up.</li>}>
        {(one) => (
          <li>
            <a href={props.hrefOf?.(one().name)}>
              <span class={`dot level-${one().healthy ? "ok" : "fail"}`} />
              <span class="mono upstream-name" title={one().name}>
                {one().name}
              </span>
              <span class="number">{one().healthy ? milliseconds(one().latency_ms) : <b class="bad">down</b>}</span>
              <span class="muted upstream-about">
                {one().suffix === "." ? "" : `${one().suffix}, `}
                {count(one().sent)} sent,{" "}
                <span classList={{ bad: one().failed * 20 > one().sent }}>
                  {percent(one().failed, one().sent)} failed
                </span>
              </span>
            </a>
          </li>
        )}
      </Index>
    </ul>
  );
}

function List(props: { list: ListStatus }): JSX.Element {
  return (
    <li>
      <div class="list-line">
        <b>{props.list.name}</b> <span class={`action action-${props.list.action}`}>{props.list.action}</span>
        <span class="muted">
          {count(props.list.rules)} rules
          {props.list.loaded === null ? ", never read" : `, read ${dayClock(Date.parse(props.list.loaded), "m")}`}
        </span>
      </div>
      <Show when={props.list.error}>{(error) => <p class="note level-warn">{error()}</p>}</Show>
      <Show when={props.list.rejected > 0}>
        <details class="rejected">
          <summary>
            {count(props.list.rejected)} {props.list.rejected === 1 ? "line" : "lines"} could not be read
          </summary>
          <ul class="plain">
            <For each={props.list.faults}>
              {(fault) => (
                <li>
                  <span class="muted">line {fault.line}</span> <code>{fault.text}</code> <span>{fault.reason}</span>
                </li>
              )}
            </For>
          </ul>
        </details>
      </Show>
    </li>
  );
}

function LogFacts(props: { status: Status }): JSX.Element {
  const log = () => props.status.log;
  return (
    <>
      <Show when={log().stopped}>
        {(why) => (
          <p class="note level-fail">
            <b>The log is not being written.</b> {why()}
          </p>
        )}
      </Show>
      <dl class="facts">
        <dt>Events</dt>
        <dd>
          {count(log().rows)}
          {log().live_rows > 0 ? `, ${count(log().live_rows)} of them not yet in a segment` : ""}
        </dd>
        <dt>On disk</dt>
        <dd>
          {bytes(log().bytes)} in {count(log().segments)} {log().segments === 1 ? "segment" : "segments"}
        </dd>
        <dt>Oldest</dt>
        <dd>{log().oldest === null ? "–" : dayClock(Date.parse(log().oldest ?? ""), "m")}</dd>
        <dt>Lost</dt>
        <dd classList={{ bad: log().dropped > 0 }}>{log().dropped === 0 ? "none" : count(log().dropped)}</dd>
      </dl>
    </>
  );
}
