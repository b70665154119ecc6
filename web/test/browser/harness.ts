// One Chromium, and a server to point it at: the mock, or a real one given by NAMEWARD_URL and NAMEWARD_TOKEN, the token it printed
// (it must be seeing queries, as `nameward demo` does). What a page must never do is checked for every test.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, inject } from "vitest";
import { startMock, type Mock, type MockOptions } from "../mock/server.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DIST = fileURLToPath(new URL("../../dist", import.meta.url));
// Also keeps the browser from talking to anyone on its own account.
const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const PROGRAMS = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Whether the tests run against a real server. */
export const REAL = process.env.NAMEWARD_URL !== undefined;

export interface Options {
  path?: string;
  width?: number;
  height?: number;
  scheme?: "light" | "dark";
  /** Console errors that belong to the test, such as a refused search. */
  expected?: RegExp;
  signedOut?: boolean;
}

export interface Rig {
  mock: Mock | undefined;
  url: () => string;
  open: (options?: Options) => Promise<Page>;
}

/** Starts what a file of tests needs, and ends it. */
export function rig(mockOptions: MockOptions = {}): Rig {
  let browser: Browser;
  let mock: Mock | undefined;
  let contexts: BrowserContext[] = [];
  let faults: string[] = [];
  const url = () => mock?.url ?? (process.env.NAMEWARD_URL ?? "").replace(/\/$/, "");

  beforeAll(async () => {
    const program = PROGRAMS.find((one) => one !== undefined && existsSync(one));
    if (program === undefined) throw new Error("no Chromium found: set CHROMIUM to its path");
    if (!REAL) mock = await startMock({ dist: DIST, ...mockOptions });
    browser = await chromium.launch({ executablePath: program, args: ARGUMENTS });
  });
  afterAll(async () => {
    await browser?.close();
    await mock?.close();
  });
  afterEach(async () => {
    await Promise.all(contexts.map((context) => context.close()));
    contexts = [];
    const found = faults;
    faults = [];
    expect(found).toEqual([]);
  });

  const open = async (options: Options = {}): Promise<Page> => {
    const context = await browser.newContext({
      viewport: { width: options.width ?? 1440, height: options.height ?? 900 },
      colorScheme: options.scheme ?? "light",
      permissions: ["clipboard-read", "clipboard-write"],
    });
    contexts.push(context);
    const page = await context.newPage();
    page.setDefaultTimeout(20_000);
    page.on("pageerror", (error) => faults.push(`page: ${error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" && options.expected?.test(message.text()) !== true)
        faults.push(`console: ${message.text()}`);
    });
    page.on("request", (request) => {
      if (!request.url().startsWith(`${url()}/`)) faults.push(`request to another origin: ${request.url()}`);
    });
    if (options.signedOut !== true) await context.addCookies([{ ...(mock?.cookie ?? inject("cookie")), url: url() }]);
    await page.goto(url() + (options.path ?? "/"));
    return page;
  };
  return {
    get mock() {
      return mock;
    },
    url,
    open,
  };
}

/** Rows of the table that are in the page now. */
export const ROW = ".grid-body .grid-row";

export async function rowsShown(page: Page): Promise<void> {
  await page.waitForSelector(ROW);
}

/** What the address bar says, as parameters. */
export function params(page: Page): URLSearchParams {
  return new URL(page.url()).searchParams;
}

interface Violation {
  id: string;
  impact: string | null;
  nodes: { target: unknown[]; failureSummary?: string }[];
}

/** What axe finds that keeps someone from using the page. */
export async function violations(page: Page): Promise<string[]> {
  // Through the debugger, not the page: its policy lets no script in.
  await page.evaluate(AXE);
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run: (options: unknown) => Promise<{ violations: Violation[] }> } };
    return (await axe.run({ resultTypes: ["violations"] })).violations;
  });
  return found
    .filter((one) => one.impact === "serious" || one.impact === "critical")
    .flatMap((one) =>
      one.nodes.slice(0, 5).map((node) => `${one.id}: ${JSON.stringify(node.target)} ${node.failureSummary ?? ""}`),
    );
}

/** Waits until nothing moves: axe would measure the colours of something half faded in. */
export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() =>
    document
      .getAnimations()
      .every((one) => one.playState !== "running" || one.effect?.getTiming().iterations === Infinity),
  );
}
