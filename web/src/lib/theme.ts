// Light or dark: the browser's wish unless one chose. Canvases need to know which it is; style sheets use `light-dark()`.

import { createMemo, createSignal } from "solid-js";
import type { Scheme, Shade } from "./codes.ts";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const KEY = "nameward.theme";
const wishes = window.matchMedia("(prefers-color-scheme: dark)");

function kept(): Theme {
  const text = window.localStorage.getItem(KEY);
  return THEMES.find((theme) => theme === text) ?? "auto";
}

const [theme, setChoice] = createSignal<Theme>(kept());
const [wishesDark, setWishesDark] = createSignal(wishes.matches);
wishes.addEventListener("change", () => setWishesDark(wishes.matches));

function show(choice: Theme): void {
  if (choice === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
}
show(theme());

export { theme };

export function setTheme(choice: Theme): void {
  window.localStorage.setItem(KEY, choice);
  show(choice);
  setChoice(choice);
}

export const scheme = createMemo<Scheme>(() => {
  const choice = theme();
  return choice === "auto" ? (wishesDark() ? "dark" : "light") : choice;
});

export function paint(shade: Shade): string {
  return shade[scheme()];
}
