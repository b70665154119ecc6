// The arithmetic of the matrix of codes: what a cell is a share of, and how deep it is coloured.

import type { MatrixReply, MatrixRow } from "../api.ts";
import type { Share } from "./url.ts";

/** Colour of the faintest and of the deepest cell, in percent of the code's shade: text stays readable on either. */
const HEAT_MIN = 5;
const HEAT_MAX = 38;

/** A cell as a part of its code (row) or of its column; nothing where there is nothing to be a part of. */
export function shareOf(count: number, row: number, column: number, share: Share): number {
  const whole = share === "code" ? row : column;
  return whole <= 0 ? 0 : Math.min(1, count / whole);
}

/** How deep a share is coloured, in percent. One event is never without colour, none never with it. */
export function heat(count: number, share: number): number {
  if (count <= 0) return 0;
  // A square root keeps small shares visible beside the large ones.
  return Math.round(HEAT_MIN + (HEAT_MAX - HEAT_MIN) * Math.sqrt(share));
}

/** Codes that occurred, and how many are named: for the sentence above the matrix. */
export function seen(reply: MatrixReply): { named: number; seen: number; unnamed: number; silent: number } {
  const codes = reply.rows.filter((row) => row.value !== "");
  const named = codes.filter(isNamed);
  return {
    named: named.length,
    seen: named.filter((row) => row.total > 0).length,
    unnamed: codes.length - named.length,
    silent: reply.rows.find((row) => row.value === "")?.total ?? 0,
  };
}

/** Numbers without a name are written `CODE4001`. */
export function isNamed(row: MatrixRow): boolean {
  return row.value !== "" && !/^CODE\d+$/.test(row.value);
}
