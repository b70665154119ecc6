// The address bar as one signal: read `route()`, change it with `go`, link with `href`.

import { createSignal } from "solid-js";
import { format, INITIAL, parse, type State } from "./url.ts";

const read = () => parse(window.location.pathname, window.location.search);
const [route, setRoute] = createSignal<State>(read(), {
  equals: (a, b) => format(a) === format(b) && a.page === b.page,
});

export { route };

/** The address of the present state with some of it changed; closing the row that was open unless told otherwise. */
export function href(patch: Partial<State>): string {
  return format({ ...route(), sel: "", ...patch });
}

/** The address of a page from scratch: nothing of the present state but what is given. */
export function fresh(patch: Partial<State>): string {
  return format({ ...INITIAL, ...patch });
}

/** Goes to the present state with some of it changed. `replace` leaves no step behind for the back button. */
export function go(patch: Partial<State>, how: "push" | "replace" = "push"): void {
  visit(format({ ...route(), ...patch }), how);
}

function visit(address: string, how: "push" | "replace"): void {
  if (address === window.location.pathname + window.location.search) return;
  if (how === "push") window.history.pushState(null, "", address);
  else window.history.replaceState(null, "", address);
  setRoute(read());
}

/** Takes over plain clicks on links within the page; all others stay the browser's. */
export function startRouter(): void {
  window.addEventListener("popstate", () => setRoute(read()));
  document.addEventListener("click", (event) => {
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (link === null || link.target !== "" || link.hasAttribute("download") || link.origin !== window.location.origin)
      return;
    if (link.hash !== "" || link.pathname.startsWith("/api/")) return;
    event.preventDefault();
    visit(link.pathname + link.search, "push");
  });
}
