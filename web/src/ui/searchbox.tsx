// The search box: a transparent input over a coloured copy of its text, completion below, the fault underlined where it is.

import { createEffect, createMemo, createSignal, createUniqueId, For, on, onCleanup, Show, type JSX } from "solid-js";
import { api, type Count, type Scope, type SearchFault } from "../api.ts";
import { canonical, fields } from "../lib/server.ts";
import { searches } from "../search/history.ts";
import { apply, completeField, completeValue, placeAt, type Completion } from "../search/complete.ts";
import { byteToIndex, tokenize } from "../search/tokens.ts";
import { codeShade } from "../lib/codes.ts";
import { Icon, Swatch } from "./parts.tsx";

/** While one is typing, most searches are unfinished: no red line before this pause. */
const CHECK_AFTER_MS = 500;
const VALUES_AFTER_MS = 120;
/** Counts asked of the server for completion, kept per field and range. */
const VALUES_WANTED = 30;

const MEASURES = new Set(["time", "duration", "size"]);

interface Piece {
  text: string;
  kind: string;
  fault: boolean;
}

export interface SearchBoxProps {
  draft: string;
  onDraft: (text: string) => void;
  onRun: (text: string) => void;
  /** Faults the server found when the search ran. */
  faults: SearchFault[];
  /** The search `faults` belong to. */
  faultsOf: string;
  scope: Scope;
  ref?: (input: HTMLInputElement) => void;
}

export function SearchBox(props: SearchBoxProps): JSX.Element {
  const listId = createUniqueId();
  const faultId = createUniqueId();
  let input!: HTMLInputElement;
  let layer!: HTMLDivElement;
  const [focused, setFocused] = createSignal(false);
  const [caret, setCaret] = createSignal(0);
  const [shut, setShut] = createSignal(true);
  const [picked, setPicked] = createSignal(-1);
  const [past, setPast] = createSignal<string[] | null>(null);
  const [checked, setChecked] = createSignal<{ text: string; faults: SearchFault[] }>({ text: "", faults: [] });

  const faults = createMemo<SearchFault[]>(() => {
    if (checked().text === props.draft) return checked().faults;
    return props.faultsOf === props.draft ? props.faults : [];
  });

  createEffect(
    on(
      () => props.draft,
      (text) => {
        if (text.trim() === "") return setChecked({ text, faults: [] });
        const asked = new AbortController();
        const timer = window.setTimeout(() => {
          api.check(text, asked.signal).then(
            (reply) => setChecked({ text, faults: reply.faults }),
            () => undefined,
          );
        }, CHECK_AFTER_MS);
        onCleanup(() => {
          window.clearTimeout(timer);
          asked.abort();
        });
      },
    ),
  );

  const pieces = createMemo<Piece[]>(() => {
    const text = props.draft;
    const spans = faults().map((fault) => {
      const start = byteToIndex(text, fault.start);
      return { start, end: Math.max(byteToIndex(text, fault.end), start + 1) };
    });
    const cuts = new Set(spans.flatMap((span) => [span.start, span.end]));
    return tokenize(text).flatMap((token) => {
      const inside = [...cuts].filter((cut) => cut > token.start && cut < token.end).sort((a, b) => a - b);
      const bounds = [token.start, ...inside, token.end];
      return bounds.slice(1).map((end, index) => {
        const start = bounds[index] ?? token.start;
        const fault = spans.some((span) => span.start <= start && end <= span.end);
        return { text: text.slice(start, end), kind: token.kind, fault };
      });
    });
  });

  const place = createMemo(() => placeAt(props.draft, caret()));
  const [counted, setCounted] = createSignal<{ field: string; values: Count[] }>({ field: "", values: [] });
  const known = new Map<string, Count[]>();
  /** The field whose values are wanted now; measures have none worth listing. */
  const wantedField = createMemo(() => {
    if (!focused() || place().kind !== "value") return "";
    const name = canonical(place().field);
    const kind = fields().find((field) => field.name === name)?.kind;
    return kind === undefined || MEASURES.has(kind) ? "" : name;
  });
  createEffect(
    on(
      () => [wantedField(), props.scope.from, props.scope.to] as const,
      ([field, from, to]) => {
        if (field === "") return;
        const kept = known.get(`${field} ${from} ${to}`);
        if (kept !== undefined) return setCounted({ field, values: kept });
        const asked = new AbortController();
        const timer = window.setTimeout(() => {
          api.top({ q: "", from, to }, field, VALUES_WANTED, asked.signal).then(
            (reply) => {
              known.set(`${field} ${from} ${to}`, reply.values);
              setCounted({ field, values: reply.values });
            },
            // A field that cannot be counted still completes from its fixed values.
            () => setCounted({ field, values: [] }),
          );
        }, VALUES_AFTER_MS);
        onCleanup(() => {
          window.clearTimeout(timer);
          asked.abort();
        });
      },
    ),
  );

  const completions = createMemo<Completion[]>(() => {
    const remembered = past();
    if (remembered !== null) {
      return remembered.map((text) => ({ start: 0, end: props.draft.length, text, label: text, note: "" }));
    }
    const here = place();
    if (here.kind === "field") return completeField(here, fields());
    if (here.kind !== "value") return [];
    const name = canonical(here.field);
    const entry = fields().find((field) => field.name === name);
    return completeValue(here, entry, counted().field === name ? counted().values : []);
  });
  const open = () => focused() && !shut() && completions().length > 0;

  const sync = () => {
    setCaret(input.selectionStart ?? input.value.length);
    layer.scrollLeft = input.scrollLeft;
  };
  createEffect(
    on(
      () => props.draft,
      () => queueMicrotask(sync),
    ),
  );

  const take = (completion: Completion) => {
    const changed =
      past() === null ? apply(props.draft, completion) : { text: completion.text, caret: completion.text.length };
    setPast(null);
    setPicked(-1);
    props.onDraft(changed.text);
    queueMicrotask(() => {
      input.focus();
      input.setSelectionRange(changed.caret, changed.caret);
      input.scrollLeft = input.scrollWidth;
      sync();
      if (completion.text === changed.text.trim() && !completion.text.endsWith(":")) setShut(true);
    });
  };
  const run = () => {
    setShut(true);
    setPast(null);
    setPicked(-1);
    props.onRun(props.draft.trim());
  };
  const moved = (by: 1 | -1) => {
    const size = completions().length;
    setPicked((at) => Math.max(-1, Math.min(size - 1, at + by)));
    document.getElementById(`${listId}-${picked()}`)?.scrollIntoView({ block: "nearest" });
  };
  const key = (event: KeyboardEvent) => {
    const chosen = open() ? completions()[picked()] : undefined;
    if (event.key === "Enter" && chosen !== undefined && !event.ctrlKey && !event.metaKey) take(chosen);
    else if (event.key === "Enter") run();
    else if (event.key === "Tab" && !event.shiftKey && open() && picked() >= 0)
      take(completions()[picked()] as Completion);
    else if (event.key === "ArrowDown") {
      if (open()) moved(1);
      else setShut(false);
    } else if (event.key === "ArrowUp" && open() && picked() >= 0) moved(-1);
    else if (event.key === "ArrowUp") {
      const remembered = searches().filter((text) => text !== props.draft);
      if (remembered.length === 0) return;
      setPast(remembered.slice(0, 12));
      setShut(false);
      setPicked(0);
    } else if (event.key === "Escape") {
      if (open()) {
        setShut(true);
        setPast(null);
        setPicked(-1);
      } else input.blur();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const suggest = (fault: SearchFault) => {
    const start = byteToIndex(props.draft, fault.start);
    const end = byteToIndex(props.draft, fault.end);
    const text = props.draft.slice(0, start) + (fault.suggestion ?? "") + props.draft.slice(end);
    props.onDraft(text);
    props.onRun(text.trim());
  };

  return (
    <div class="searchbox" role="search">
      <div class="searchbox-field" classList={{ faulty: faults().length > 0 }}>
        <Icon name="search" />
        <div class="searchbox-text">
          <div class="searchbox-layer" ref={layer} aria-hidden="true">
            <For each={pieces()}>
              {(piece) => (
                <span class={`tok-${piece.kind}`} classList={{ fault: piece.fault }}>
                  {piece.text}
                </span>
              )}
            </For>
          </div>
          <input
            ref={(element) => {
              input = element;
              props.ref?.(element);
            }}
            type="text"
            spellcheck={false}
            autocomplete="off"
            autocapitalize="off"
            maxLength={4096}
            role="combobox"
            aria-label="Search the query log"
            aria-expanded={open()}
            aria-controls={listId}
            aria-autocomplete="list"
            aria-activedescendant={open() && picked() >= 0 ? `${listId}-${picked()}` : undefined}
            aria-invalid={faults().length > 0}
            aria-describedby={faults().length > 0 ? faultId : undefined}
            placeholder="code:NXDOMAIN client:10.0.0.0/8 -domain:*.local latency:>50ms"
            value={props.draft}
            onInput={(event) => {
              setPast(null);
              setPicked(-1);
              setShut(false);
              props.onDraft(event.currentTarget.value);
              sync();
            }}
            onKeyDown={key}
            onKeyUp={sync}
            onClick={() => {
              sync();
              setShut(false);
            }}
            onScroll={sync}
            onFocus={() => setFocused(true)}
            onBlur={() => {
              setFocused(false);
              setShut(true);
              setPast(null);
              setPicked(-1);
            }}
          />
        </div>
        <Show when={props.draft !== ""}>
          <button
            type="button"
            class="icon-button"
            title="Clear the search"
            aria-label="Clear the search"
            onClick={() => {
              props.onDraft("");
              props.onRun("");
              input.focus();
            }}
          >
            <Icon name="close" />
          </button>
        </Show>
        <kbd class="searchbox-key" classList={{ away: focused() || props.draft !== "" }}>
          /
        </kbd>
      </div>
      <ul class="completions" id={listId} role="listbox" aria-label="Completions" hidden={!open()}>
        <For each={open() ? completions() : []}>
          {(completion, index) => (
            <li
              role="option"
              id={`${listId}-${index()}`}
              aria-selected={index() === picked()}
              classList={{ picked: index() === picked() }}
              onPointerDown={(event) => {
                event.preventDefault();
                take(completion);
              }}
            >
              <Show when={completion.code}>{(code) => <Swatch shade={codeShade(code())} />}</Show>
              <span class="completion-label">{completion.label}</span>
              <span class="completion-note">{completion.note}</span>
            </li>
          )}
        </For>
      </ul>
      <Show when={faults()[0]}>
        {(fault) => (
          <p class="search-fault" id={faultId} role="status">
            {fault().message}
            <Show when={fault().suggestion}>
              {(text) => (
                <>
                  {" – did you mean "}
                  <button type="button" class="link" onClick={() => suggest(fault())}>
                    {text()}
                  </button>
                  ?
                </>
              )}
            </Show>
          </p>
        )}
      </Show>
    </div>
  );
}
