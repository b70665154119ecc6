// What could come next at the caret: fields, then the values of the field.

import type { Count, FieldEntry } from "../api.ts";
import { tokenize, valueText } from "./tokens.ts";

export interface Completion {
  /** The part of the text to replace. */
  start: number;
  end: number;
  /** What to put there. */
  text: string;
  label: string;
  /** A word about it, or its count. */
  note: string;
  /** Set for return codes: their name, to show the colour. */
  code?: string;
}

/** Where the caret stands: in a field name being typed, in the value of a field, or elsewhere. */
export interface Place {
  kind: "field" | "value" | "none";
  field: string;
  typed: string;
  start: number;
  end: number;
}

export const COMPLETIONS_MAX = 12;

export function placeAt(text: string, caret: number): Place {
  const tokens = tokenize(text);
  const index = tokens.findIndex((token) => token.start < caret && caret <= token.end);
  const none: Place = { kind: "none", field: "", typed: "", start: caret, end: caret };
  const token = tokens[index];
  if (token === undefined || token.kind === "negation" || (token.kind === "paren" && !inList(text, tokens, index))) {
    return { ...none, kind: "field" };
  }
  const fieldBefore = () => {
    for (let at = index; at >= 0; at -= 1) {
      const one = tokens[at];
      if (one?.kind === "field") return text.slice(one.start, one.end).toLowerCase();
    }
    return "";
  };
  switch (token.kind) {
    case "bare":
    case "field":
      return { kind: "field", field: "", typed: text.slice(token.start, caret), start: token.start, end: token.end };
    case "value":
    case "quoted":
      return {
        kind: "value",
        field: fieldBefore(),
        typed: text.slice(token.start, caret),
        start: token.start,
        end: token.end,
      };
    case "operator":
    case "comma":
    case "paren":
      return { ...none, kind: "value", field: fieldBefore() };
    case "space":
      return tokens[index - 1]?.kind === "comma"
        ? { ...none, kind: "value", field: fieldBefore() }
        : { ...none, kind: "field" };
    default:
      return none;
  }
}

function inList(text: string, tokens: ReturnType<typeof tokenize>, index: number): boolean {
  const token = tokens[index];
  return token !== undefined && text.charAt(token.start) === "(" && tokens[index - 1]?.kind === "operator";
}

/** Ranks: what starts with the typed text before what only contains it. */
function matching<T>(all: T[], typed: string, name: (one: T) => string[]): T[] {
  const wanted = typed.toLowerCase().replace(/^"/, "");
  const starts = all.filter((one) => name(one).some((text) => text.toLowerCase().startsWith(wanted)));
  const contains = all.filter(
    (one) => !starts.includes(one) && name(one).some((text) => text.toLowerCase().includes(wanted)),
  );
  return [...starts, ...contains];
}

/** Fields for what is typed. */
export function completeField(place: Place, fields: FieldEntry[]): Completion[] {
  return matching(fields, place.typed, (field) => [field.name, ...field.aliases])
    .slice(0, COMPLETIONS_MAX)
    .map((field) => ({
      start: place.start,
      end: place.end,
      text: `${field.name}:`,
      label: field.name,
      note: field.about,
    }));
}

/** Values for what is typed: counted ones of the present range first, then the fixed ones that did not occur. */
export function completeValue(place: Place, entry: FieldEntry | undefined, counted: Count[]): Completion[] {
  const name = entry?.name ?? place.field;
  const seen = new Set(counted.map((one) => one.value.toLowerCase()));
  const fixed = (entry?.values ?? []).filter((value) => !seen.has(value.toLowerCase()));
  const all = [
    ...counted
      .filter((one) => one.value !== "")
      .map((one) => ({ value: one.value, note: one.count.toLocaleString("en") })),
    ...fixed.map((value) => ({ value, note: "" })),
  ];
  const exact = all.length === 1 && all[0]?.value.toLowerCase() === place.typed.toLowerCase();
  if (exact) return [];
  return matching(all, place.typed, (one) => [one.value])
    .slice(0, COMPLETIONS_MAX)
    .map((one) => ({
      start: place.start,
      end: place.end,
      text: valueText(one.value),
      label: one.value,
      note: one.note,
      ...(name === "code" ? { code: one.value } : {}),
    }));
}

/** The text with a completion put in, and where the caret then stands. A field waits for its value; a value ends the term. */
export function apply(text: string, completion: Completion): { text: string; caret: number } {
  const tail = text.slice(completion.end);
  const ends = !completion.text.endsWith(":");
  const gap = ends && tail === "" ? " " : "";
  const head = text.slice(0, completion.start) + completion.text + gap;
  return { text: head + tail, caret: head.length };
}
