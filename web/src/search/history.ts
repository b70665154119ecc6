// Searches that ran, newest first, kept in this browser.

const KEY = "nameward.searches";
const MAX = 50;

export function searches(): string[] {
  try {
    const kept: unknown = JSON.parse(window.localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(kept) ? kept.filter((one): one is string => typeof one === "string") : [];
  } catch {
    return [];
  }
}

export function remember(search: string): void {
  const text = search.trim();
  if (text === "") return;
  const kept = [text, ...searches().filter((one) => one !== text)].slice(0, MAX);
  try {
    window.localStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // Storage is full or shut: history is a comfort, not a need.
  }
}
