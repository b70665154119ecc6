// The search text as coloured pieces and as terms. A reader for the eye and for clicks; whether a search is right, the server
// says (`/log/check`).

export type TokenKind =
  "space" | "negation" | "keyword" | "paren" | "field" | "operator" | "comma" | "value" | "quoted" | "regex" | "bare";

export interface Token {
  kind: TokenKind;
  start: number;
  end: number;
}

/** One term of the outermost level. */
export interface Term {
  start: number;
  end: number;
  text: string;
  negated: boolean;
  /** Lower-case field name; null for bare words and groups. */
  field: string | null;
  /** Values as written, where the term is a plain list of them. */
  values: string[];
}

const KEYWORDS = new Set(["AND", "OR", "NOT", "&&", "||"]);
const ADDRESS = /^[0-9a-f]*:[0-9a-f:]*:[0-9a-f:.]*(\/\d+)?$/i;

/** Cuts a text into tokens that cover it without gaps. */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  // Parentheses open now: true for one that holds values (`code:(A, B)`), false for one that groups terms.
  const open: boolean[] = [];
  let inValues = false;
  const push = (kind: TokenKind, end: number) => {
    tokens.push({ kind, start: at, end });
    at = end;
  };
  const run = (stop: RegExp, from: number) => {
    let end = from;
    while (end < text.length && !stop.test(text.charAt(end))) end += 1;
    return end;
  };
  const quotedEnd = (quote: string) => {
    let end = at + 1;
    while (end < text.length && text.charAt(end) !== quote) end += text.charAt(end) === "\\" ? 2 : 1;
    return Math.min(end + 1, text.length);
  };

  while (at < text.length) {
    const char = text.charAt(at);
    const listed = open[open.length - 1] === true;
    if (/\s/.test(char)) {
      const previous = tokens[tokens.length - 1];
      push("space", run(/\S/, at));
      if (!listed && previous?.kind !== "comma") inValues = false;
    } else if (char === ")") {
      push("paren", at + 1);
      open.pop();
      inValues = open[open.length - 1] === true;
    } else if (char === "(") {
      push("paren", at + 1);
      open.push(inValues);
    } else if (inValues) {
      if (char === ",") push("comma", at + 1);
      else if (char === '"') push("quoted", quotedEnd('"'));
      else if (char === "/" && /[:,(\s]/.test(text.charAt(at - 1))) push("regex", quotedEnd("/"));
      else if (/[<>=!]/.test(char)) push("operator", run(/[^<>=!]/, at));
      else {
        const end = run(/[\s,)]/, at);
        push(listed && text.slice(at, end) === "OR" ? "keyword" : "value", end);
      }
    } else if (char === "-" || char === "!") push("negation", at + 1);
    else if (char === '"') push("quoted", quotedEnd('"'));
    else {
      const end = run(/[\s()]/, at);
      const word = text.slice(at, end);
      const field = ADDRESS.test(word) ? null : /^([A-Za-z_][\w.]*):/.exec(word);
      if (field?.[1] !== undefined) {
        push("field", at + field[1].length);
        push("operator", at + 1);
        inValues = true;
      } else push(KEYWORDS.has(word) ? "keyword" : "bare", end);
    }
  }
  return tokens;
}

/** The terms of the outermost level, and whether they are joined by OR there. */
export function terms(text: string): { terms: Term[]; either: boolean } {
  const found: Term[] = [];
  let either = false;
  let depth = 0;
  let start = -1;
  let negated = false;
  let pieces: Token[] = [];
  const close = (end: number) => {
    if (start < 0 || pieces.length === 0) return;
    found.push(termOf(text, start, end, negated, pieces));
    start = -1;
    negated = false;
    pieces = [];
  };
  const tokens = tokenize(text);
  tokens.forEach((token, index) => {
    const word = text.slice(token.start, token.end);
    if (depth === 0 && token.kind === "keyword") {
      close(token.start);
      if (word === "OR" || word === "||") either = true;
      if (word === "NOT") {
        start = token.start;
        negated = true;
      }
      return;
    }
    if (token.kind === "space") {
      const continues = tokens[index - 1]?.kind === "comma";
      if (depth === 0 && !continues && pieces.length > 0) close(token.start);
      return;
    }
    if (depth === 0 && token.kind === "negation" && pieces.length === 0) {
      if (start < 0) start = token.start;
      negated = !negated;
      return;
    }
    if (token.kind === "paren") depth += word === "(" ? 1 : -1;
    if (depth < 0) depth = 0;
    if (start < 0) start = token.start;
    pieces.push(token);
  });
  close(text.trimEnd().length);
  return { terms: found, either };
}

function termOf(text: string, start: number, end: number, negated: boolean, pieces: Token[]): Term {
  const written = text.slice(start, end).trimEnd();
  const first = pieces[0];
  const word = (token: Token) => text.slice(token.start, token.end);
  const field = first?.kind === "field" ? word(first).toLowerCase() : null;
  const values: string[] = [];
  // An operator before a value belongs to it: `domain:=a.example` has the value `=a.example`.
  let prefix = "";
  for (const token of pieces.slice(2)) {
    if (token.kind === "operator") prefix = word(token);
    if (token.kind !== "value" && token.kind !== "quoted" && token.kind !== "regex") continue;
    values.push(prefix + word(token));
    prefix = "";
  }
  return { start, end: start + written.length, text: written, negated, field, values: field === null ? [] : values };
}

/** A value as one writes it in a search: quoted where a bare word would mean something else. */
export function valueText(value: string): string {
  const body = value.startsWith("=") ? value.slice(1) : value;
  if (/^"(?:[^"\\]|\\.)*"$/.test(body)) return value;
  const plain = body !== "" && !/[\s,()"*?|\\]|\.\./.test(body) && !/^[-=!<>/[]/.test(body);
  return plain ? value : `${value.startsWith("=") ? "=" : ""}"${body.replace(/["\\]/g, "\\$&")}"`;
}

/** The pure name of a field, so that a click finds `rcode:` when it means `code`. */
export type Canonical = (field: string) => string;

export type FilterMode = "only" | "also" | "exclude";

const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

function join(parts: string[]): string {
  return parts.filter((part) => part !== "").join(" ");
}

function termText(negated: boolean, field: string, values: string[]): string {
  return `${negated ? "-" : ""}${field}:${values.length === 1 ? (values[0] ?? "") : values.join(",")}`;
}

/**
 * The search with a value of a field chosen. `only` puts it in place of that field's other values, `also` beside them, `exclude`
 * against it; choosing what is chosen already takes it away again. The empty value means "has none".
 */
export function withFilter(
  text: string,
  field: string,
  value: string,
  mode: FilterMode,
  canonical: Canonical = (f) => f,
): string {
  const read = terms(text);
  const mine = (term: Term) => term.field !== null && canonical(term.field) === field && term.values.length > 0;
  const rest = (keep: (term: Term) => boolean) => read.terms.filter(keep).map((term) => term.text);
  if (value === "") return withPresence(text, field, mode);
  const written = valueText(value);
  // With OR on the outermost level a term more would bind to its last branch only.
  if (read.either) return join([`(${text.trim()})`, termText(mode === "exclude", field, [written])]);
  const wanted = mode === "exclude";
  const group = read.terms.filter((term) => mine(term) && term.negated === wanted);
  const chosen = group.flatMap((term) => term.values);
  const has = chosen.some((one) => same(one, written));
  const without = chosen.filter((one) => !same(one, written));
  if (mode === "only") {
    const others = rest((term) => !mine(term));
    return has && chosen.length === 1 ? join(others) : join([...others, termText(false, field, [written])]);
  }
  const values = has ? without : [...chosen, written];
  const kept = read.terms.flatMap((term) => {
    if (!mine(term)) return [term.text];
    if (term.negated === wanted) return [];
    // The opposite choice of the same value gives way.
    const left = term.values.filter((one) => !same(one, written));
    return left.length === 0
      ? []
      : left.length === term.values.length
        ? [term.text]
        : [termText(term.negated, field, left)];
  });
  return join([...kept, values.length === 0 ? "" : termText(wanted, field, values)]);
}

/** The search narrowed to one value of a field: like a click, but never one that takes the value away again. */
export function narrowed(text: string, field: string, value: string, canonical: Canonical = (f) => f): string {
  const { either, terms: read } = terms(text);
  const written = value === "" ? `-has:${field}` : valueText(value);
  const has = (term: Term) =>
    value === ""
      ? same(term.text, written)
      : !term.negated && term.field !== null && canonical(term.field) === field && term.values.length === 1;
  const there = !either && read.filter(has).some((term) => value === "" || same(term.values[0] ?? "", written));
  return there ? text : withFilter(text, field, value, "only", canonical);
}

/** The search without its outermost terms on a field; with OR between them nothing can be left out. */
export function withoutField(text: string, field: string, canonical: Canonical = (f) => f): string {
  const { either, terms: read } = terms(text);
  if (either) return text;
  const presence = new RegExp(`^[-!]?has:${field}$`, "i");
  return join(
    read
      .filter((term) => !(term.field !== null && canonical(term.field) === field) && !presence.test(term.text))
      .map((term) => term.text),
  );
}

function withPresence(text: string, field: string, mode: FilterMode): string {
  const term = mode === "exclude" ? `has:${field}` : `-has:${field}`;
  const read = terms(text);
  if (read.terms.some((one) => same(one.text, term)))
    return join(read.terms.filter((one) => !same(one.text, term)).map((one) => one.text));
  return join([read.either ? `(${text.trim()})` : text.trim(), term]);
}

/** The search without one of its terms. */
export function withoutTerm(text: string, index: number): string {
  return join(
    terms(text)
      .terms.filter((_, at) => at !== index)
      .map((term) => term.text),
  );
}

/** The search with one of its terms turned around. */
export function withNegated(text: string, index: number): string {
  return join(terms(text).terms.map((term, at) => (at === index ? negate(term) : term.text)));
}

function negate(term: Term): string {
  if (!term.negated) return `-${term.text}`;
  return term.text.replace(/^(?:[-!]|NOT\s+)\s*/, "");
}

/** Which values of a field are chosen and which are shut out, in lower case. */
export function selection(
  text: string,
  field: string,
  canonical: Canonical = (f) => f,
): { only: Set<string>; excluded: Set<string> } {
  const only = new Set<string>();
  const excluded = new Set<string>();
  const read = terms(text);
  if (read.either) return { only, excluded };
  for (const term of read.terms) {
    if (term.field === null || canonical(term.field) !== field) continue;
    for (const value of term.values) (term.negated ? excluded : only).add(value.toLowerCase());
  }
  return { only, excluded };
}

/** The index in a JavaScript string of a byte of its UTF-8 form: faults come in bytes. */
export function byteToIndex(text: string, byte: number): number {
  let bytes = 0;
  let index = 0;
  for (const char of text) {
    if (bytes >= byte) return index;
    const point = char.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    index += char.length;
  }
  return index;
}
