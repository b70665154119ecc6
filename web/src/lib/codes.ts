// Colours of return codes: one family, one hue; one code, one shade of it. The only place a code's colour is written.

export type Scheme = "light" | "dark";

export interface Shade {
  light: string;
  dark: string;
}

/** The families as the API names them, in the order of a legend. */
export const FAMILIES = ["answered", "name_missing", "server_trouble", "refused", "malformed", "security"] as const;
export type Family = (typeof FAMILIES)[number];

export const FAMILY_TITLES: Record<Family, string> = {
  answered: "Answered",
  name_missing: "Name missing",
  server_trouble: "Server trouble",
  refused: "Refused, not authorised",
  malformed: "Malformed, EDNS, cookies",
  security: "Updates, sessions, keys",
};

/** Each family's sign in a box of 12 by 12, so that nobody needs the colour. */
export const FAMILY_SIGNS: Record<Family, string> = {
  answered: "M6 1.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9z",
  name_missing: "M6 .8 11.200 6 6 11.200.8 6z",
  server_trouble: "M6 1 11.500 11H.5z",
  refused: "M1.600 1.600h8.800v8.800H1.600z",
  malformed: "M3.300 1.300h5.400L11.400 6l-2.700 4.700H3.300L.6 6z",
  security: "M4.300 1h3.400v3.300H11v3.400H7.700V11H4.300V7.700H1V4.300h3.300z",
};

const FAMILY_SHADES: Record<Family, Shade> = {
  answered: { light: "#2f7ecb", dark: "#4592de" },
  name_missing: { light: "#d4910f", dark: "#e8aa33" },
  server_trouble: { light: "#cf3f32", dark: "#e2584a" },
  refused: { light: "#8453d1", dark: "#a37bea" },
  malformed: { light: "#12909f", dark: "#27b1c1" },
  security: { light: "#b53a72", dark: "#d65c93" },
};

const CODE_SHADES: Record<string, Shade> = {
  NOERROR: FAMILY_SHADES.answered,
  NXDOMAIN: FAMILY_SHADES.name_missing,
  SERVFAIL: FAMILY_SHADES.server_trouble,
  NOTIMP: { light: "#96593a", dark: "#bd7b57" },
  REFUSED: FAMILY_SHADES.refused,
  NOTAUTH: { light: "#6a3d9c", dark: "#8862c4" },
  FORMERR: { light: "#c46a1b", dark: "#df8a3c" },
  BADVERS: FAMILY_SHADES.malformed,
  BADCOOKIE: { light: "#0d6f84", dark: "#1f8ba4" },
  // Updates: greens.
  YXDOMAIN: { light: "#5c8d33", dark: "#78ac4a" },
  YXRRSET: { light: "#3f9054", dark: "#55ad6c" },
  NXRRSET: { light: "#2b8a72", dark: "#3da88d" },
  NOTZONE: { light: "#5f7d5b", dark: "#7d9c78" },
  // Sessions: grey.
  DSOTYPENI: { light: "#6d7681", dark: "#8f99a5" },
  // TSIG: magentas.
  BADSIG: FAMILY_SHADES.security,
  BADKEY: { light: "#c2528c", dark: "#e279ab" },
  BADTIME: { light: "#9c2f52", dark: "#bd4a6e" },
  BADTRUNC: { light: "#a3568f", dark: "#c07aae" },
  // TKEY: greys of the same hue.
  BADMODE: { light: "#84637a", dark: "#a5849b" },
  BADNAME: { light: "#96606e", dark: "#b8818f" },
  BADALG: { light: "#7a5a6e", dark: "#96768a" },
};

const NO_CODE: Shade = { light: "#7b8691", dark: "#7f8a96" };

/** Lines that are not codes: actions, transports, outcomes, cache states. Told apart by hue, always labelled. */
const WORD_SHADES: Record<string, Shade> = {
  "action:pass": { light: "#2f7ecb", dark: "#4592de" },
  "action:allow": { light: "#3f9054", dark: "#55ad6c" },
  "action:block": { light: "#cf3f32", dark: "#e2584a" },
  "action:refuse": { light: "#8453d1", dark: "#a37bea" },
  "cache:hit": { light: "#3f9054", dark: "#55ad6c" },
  "cache:miss": { light: "#2f7ecb", dark: "#4592de" },
  "cache:stale": { light: "#d4910f", dark: "#e8aa33" },
  "cache:none": NO_CODE,
};

const PALETTE: Shade[] = [
  { light: "#2f7ecb", dark: "#4592de" },
  { light: "#3f9054", dark: "#55ad6c" },
  { light: "#d4910f", dark: "#e8aa33" },
  { light: "#8453d1", dark: "#a37bea" },
  { light: "#cf3f32", dark: "#e2584a" },
  { light: "#12909f", dark: "#27b1c1" },
  { light: "#b53a72", dark: "#d65c93" },
];

export function isFamily(name: string): name is Family {
  return (FAMILIES as readonly string[]).includes(name);
}

/** The shade of a code. A number without a name takes its family's; no code at all is grey. */
export function codeShade(name: string | null, family?: string | null): Shade {
  if (name === null || name === "") return NO_CODE;
  const shade = CODE_SHADES[name.toUpperCase()];
  if (shade !== undefined) return shade;
  return family != null && isFamily(family) ? FAMILY_SHADES[family] : NO_CODE;
}

/** The shade of one line of a series: `by` is the field, `index` its place among the lines. */
export function lineShade(by: string, value: string, family: string | null | undefined, index: number): Shade {
  if (by === "code") return codeShade(value, family);
  return WORD_SHADES[`${by}:${value}`] ?? PALETTE[index % PALETTE.length] ?? NO_CODE;
}

/** The shade as CSS that follows the page's scheme. */
export function cssShade(shade: Shade): string {
  return `light-dark(${shade.light}, ${shade.dark})`;
}

/** Names whose shade is written above, for tests. */
export const SHADED_CODES: readonly string[] = Object.keys(CODE_SHADES);
