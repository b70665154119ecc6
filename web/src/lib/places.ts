// The four places of a reply that can hold a code, and what each holds when a code travels in one of them.

import type { CodePlace } from "../api.ts";

export interface PlaceBox {
  place: string;
  bits: string;
  /** What stands there; null where there is nothing. */
  value: string | null;
  note: string;
  /** Whether the code, or a part of it, is here. */
  here: boolean;
}

/** The four places of a reply that carries a code of this number in one of them. */
export function boxes(number: number, name: string, at: CodePlace): PlaceBox[] {
  const opt = at.place === "header + OPT";
  const own = (place: string) => at.place === place;
  const record = (place: string, title: string): PlaceBox => ({
    place: title,
    bits: "16 bits",
    value: own(place) ? String(number) : null,
    note: own(place) ? name : "",
    here: own(place),
  });
  return [
    {
      place: "Header",
      bits: "4 bits",
      value: String(at.header),
      note: own("header") || !opt ? at.header_name : `alone: ${at.header_name}`,
      here: own("header") || opt,
    },
    {
      place: "OPT",
      bits: "8 bits",
      value: opt ? String(number >> 4) : null,
      note: opt ? `${number >> 4} × 16 + ${at.header} = ${number}` : "",
      here: opt,
    },
    record("TSIG error", "TSIG error"),
    record("TKEY error", "TKEY error"),
  ];
}

/** The usual places of a number that has no name, by what it fits into. */
export function placesOf(number: number, nameOf: (header: number) => string): CodePlace[] {
  if (number > 4095) return [];
  const header = number & 15;
  const place = number <= 15 ? "header" : "header + OPT";
  return [{ place, column: number <= 15 ? "rcode_header" : "rcode", header, header_name: nameOf(header) }];
}

/** What the drawing shows, in words. */
export function sentence(name: string, number: number, at: CodePlace): string {
  if (at.place === "header") return "In the four bits of the header, where every DNS program looks.";
  if (at.place === "header + OPT")
    return `Upper bits in the OPT record, lower four in the header: whoever reads the header alone sees ${at.header} ${at.header_name}.`;
  const record = at.place.replace(" error", "");
  return `In the error field of the ${record} record; the header beside it says ${at.header} ${at.header_name}, which is not ${number} ${name}.`;
}
