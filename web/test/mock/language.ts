// Enough of the search language for the mock: terms, lists, globs, comparisons, CIDR, has:, NOT, OR and parentheses.

import type { SearchFault } from "../../src/api.ts";
import { CODES, type Event, FIELDS } from "./data.ts";
import { tokenize, type Token } from "../../src/search/tokens.ts";

export type Match = (event: Event) => boolean;

export class Faults extends Error {
  constructor(readonly faults: SearchFault[]) {
    super("faults");
  }
}

function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      next.push(
        Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)),
      );
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

function nearest(word: string, all: string[]): string | null {
  const ranked = all
    .map((one) => ({ one, far: distance(word.toLowerCase(), one.toLowerCase()) }))
    .sort((a, b) => a.far - b.far);
  return ranked[0] !== undefined && ranked[0].far <= 3 ? ranked[0].one : null;
}

/** The matcher of a search; throws `Faults`. */
export function compile(text: string): Match {
  const tokens = tokenize(text).filter((token) => token.kind !== "space");
  const faults: SearchFault[] = [];
  let at = 0;
  const word = (token: Token | undefined) => (token === undefined ? "" : text.slice(token.start, token.end));
  const fault = (token: Token | undefined, message: string, suggestion: string | null = null) => {
    faults.push({ start: token?.start ?? text.length, end: token?.end ?? text.length, message, suggestion });
    return () => false;
  };

  function either(): Match {
    const parts = [all()];
    while (tokens[at] !== undefined && (word(tokens[at]) === "OR" || word(tokens[at]) === "||")) {
      at += 1;
      parts.push(all());
    }
    return (event) => parts.some((part) => part(event));
  }
  function all(): Match {
    const parts: Match[] = [];
    while (tokens[at] !== undefined && word(tokens[at]) !== ")" && word(tokens[at]) !== "OR") {
      if (word(tokens[at]) === "AND") at += 1;
      else parts.push(one());
    }
    return (event) => parts.every((part) => part(event));
  }
  function one(): Match {
    const token = tokens[at];
    at += 1;
    if (token?.kind === "negation" || word(token) === "NOT") {
      const inner = one();
      return (event) => !inner(event);
    }
    if (word(token) === "(") {
      const inner = either();
      if (word(tokens[at]) !== ")") fault(token, "this parenthesis is not closed");
      at += 1;
      return inner;
    }
    if (token?.kind === "field") return term(token);
    const wanted = word(token).replace(/^"|"$/g, "").toLowerCase();
    return (event) => (event.domain ?? "").includes(wanted) || event.client === wanted;
  }
  function term(token: Token): Match {
    const name = word(token).toLowerCase();
    at += 1;
    const values: { text: string; token: Token }[] = [];
    let prefix = "";
    let depth = 0;
    for (; at < tokens.length; at += 1) {
      const next = tokens[at] as Token;
      if (next.kind === "paren") depth += word(next) === "(" ? 1 : -1;
      else if (next.kind === "operator") prefix = word(next);
      else if (next.kind === "value" || next.kind === "quoted" || next.kind === "regex") {
        values.push({ text: prefix + word(next).replace(/^"|"$/g, ""), token: next });
        prefix = "";
      } else if (next.kind !== "comma" && next.kind !== "keyword") break;
      if (depth < 0) break;
      if (depth === 0 && word(tokens[at + 1]) !== "," && next.kind !== "comma" && next.kind !== "operator") {
        at += 1;
        break;
      }
    }
    if (name === "has") return (event) => hasField(event, values[0]?.text ?? "");
    const field = FIELDS.find((one) => one.name === name || one.aliases.includes(name));
    if (field === undefined)
      return fault(
        token,
        `there is no field ${name}`,
        nearest(
          name,
          FIELDS.map((one) => one.name),
        ),
      );
    if (values.length === 0) return fault(token, `${name}: needs a value`);
    if (field.name === "code") {
      for (const value of values) {
        const known =
          CODES.some((one) => one.name === value.text.toUpperCase()) || /[*!<>=.]|^\d+$|^CODE\d+$/i.test(value.text);
        if (!known)
          fault(
            value.token,
            `there is no return code ${value.text}`,
            nearest(
              value.text,
              CODES.map((one) => one.name),
            ),
          );
      }
    }
    return (event) => values.some((value) => matches(event, field.name, value.text));
  }

  const match = either();
  if (at < tokens.length) fault(tokens[at], "nothing is open here");
  if (faults.length > 0) throw new Faults(faults);
  return match;
}

export function fieldValue(event: Event, field: string): string {
  switch (field) {
    case "latency":
      return String(event.latency_ms);
    case "ede":
      return event.ede.map((one) => String(one.code)).join(",");
    case "tsig":
      return String(event.tsig_error ?? "");
    case "tkey":
      return String(event.tkey_error ?? "");
    default:
      return String((event as unknown as Record<string, unknown>)[field] ?? "");
  }
}

function hasField(event: Event, field: string): boolean {
  return fieldValue(event, field) !== "";
}

function matches(event: Event, field: string, wanted: string): boolean {
  const value = fieldValue(event, field).toLowerCase();
  const record = field === "tsig" || field === "tkey";
  const named = record ? CODES.find((one) => one.name === wanted.toUpperCase()) : undefined;
  const text = named === undefined ? wanted.toLowerCase() : String(named.number);
  const compared = /^(>=|<=|>|<|!=|=)(.*)$/.exec(text);
  if (compared !== null) {
    const [, operator, right] = compared as unknown as [string, string, string];
    if (operator === "=") return value === right;
    if (operator === "!=") return value !== right;
    const [a, b] = [Number(value), Number.parseFloat(right) * (/\ds$/.test(right) ? 1000 : 1)];
    return operator === ">" ? a > b : operator === "<" ? a < b : operator === ">=" ? a >= b : a <= b;
  }
  if (field === "code" && /^\d+$/.test(text)) return event.code_number === Number(text);
  if (field === "client" && text.includes("/")) {
    const [base = "", bits = "32"] = text.split("/");
    const number = (address: string) => address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
    const size = 2 ** (32 - Number(bits));
    return !value.includes(":") && Math.floor(number(value) / size) === Math.floor(number(base) / size);
  }
  if (field === "domain") {
    const bare = text.replace(/^\*\./, "");
    if (!bare.includes("*")) return value === bare || value.endsWith(`.${bare}`);
  }
  if (text.includes("*"))
    return new RegExp(`^${text.replace(/[.+^${}()|[\]\\]/g, "\\$&").replace(/\*/g, ".*")}$`).test(value);
  return value === text;
}
