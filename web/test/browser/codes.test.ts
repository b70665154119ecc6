import type { Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import { CODES } from "../mock/data.ts";
import { params, REAL, rig, ROW, rowsShown, settled, violations } from "./harness.ts";

const here = rig();
const RANGE = "from=now-24h";
/** Above this a page is felt to jump (web.dev: 0.1 is good). */
const LAYOUT_SHIFT_MAX = 0.05;

async function matrixShown(page: Page): Promise<void> {
  await page.waitForSelector(".matrix tbody a.m-cell");
}

const link = (page: Page, code: string) => page.locator(`.matrix tr[data-code="${code}"] .m-link`);

/** The cell of a code in a column, counted from the columns of values. */
const cell = (page: Page, code: string, column: number) =>
  page.locator(`.matrix tr[data-code="${code}"] td.m-value`).nth(column);

describe("everyone can use", () => {
  for (const scheme of ["light", "dark"] as const) {
    for (const width of [1440, 320]) {
      test(`the matrix of codes, ${scheme}, ${width} wide`, async () => {
        const page = await here.open({ path: `/codes?${RANGE}&ede=22`, scheme, width });
        await matrixShown(page);
        await page.waitForSelector("#ede-22[open]");
        await settled(page);
        expect(await violations(page)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      });
      test(`the page of a code, ${scheme}, ${width} wide`, async () => {
        const code = REAL ? "NXDOMAIN" : "SERVFAIL";
        const page = await here.open({ path: `/codes/${code}?${RANGE}`, scheme, width });
        await page.waitForSelector(".explain");
        await rowsShown(page);
        await settled(page);
        expect(await violations(page)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      });
    }
  }
});

test("every named code has a row, in the table's order, with its number and place", async () => {
  const page = await here.open({ path: `/codes?${RANGE}` });
  await matrixShown(page);
  const rows = await page.locator(".matrix tbody tr").evaluateAll((all) =>
    all.map((row) => ({
      name: row.querySelector(".m-name")?.firstChild?.textContent ?? "",
      number: row.querySelector(".m-number")?.textContent ?? "",
      place: row.querySelector(".m-place")?.textContent ?? "",
    })),
  );
  const named = rows.slice(0, CODES.length);
  expect(named.map((row) => row.name)).toEqual(CODES.map((code) => code.name));
  expect(named.map((row) => row.number)).toEqual(CODES.map((code) => String(code.number)));
  expect(named.filter((row) => row.number === "16")).toEqual([
    { name: "BADVERS", number: "16", place: "header + OPT" },
    { name: "BADSIG", number: "16", place: "TSIG or TKEY" },
  ]);
  expect(rows.slice(CODES.length).every((row) => /^CODE\d+$|^no reply$/.test(row.name))).toBe(true);
  // The family is told without colour, too.
  expect(await page.locator(".matrix tbody svg.sign[aria-label]").count()).toBeGreaterThanOrEqual(CODES.length);
});

test.skipIf(REAL)(
  "codes that did not come are there, quiet, and numbers without a name come after all others",
  async () => {
    const page = await here.open({ path: `/codes?${RANGE}&q=code:CODE4001,NOERROR` });
    await matrixShown(page);
    expect(await page.locator(".matrix tbody tr.zero").count()).toBe(CODES.length - 1);
    expect(await page.locator(".matrix tbody tr").count()).toBe(CODES.length + 1);
    expect(await page.textContent(".matrix tbody tr:last-child .m-name")).toContain("CODE4001");
    await link(page, "CODE4001").click();
    await page.waitForFunction(() => location.pathname === "/codes/CODE4001");
    expect(params(page).get("q")).toBeNull();
    await page.locator(".explain", { hasText: "private use: 3841–4095" }).waitFor();
  },
);

test("columns and shares are chosen in the address", async () => {
  const page = await here.open({ path: `/codes?${RANGE}` });
  await matrixShown(page);
  await page.getByRole("button", { name: "Transport", exact: true }).click();
  await page.waitForFunction(() => new URL(location.href).searchParams.get("across") === "transport");
  await page.locator(".matrix thead .m-value", { hasText: "udp" }).waitFor();
  const background = () =>
    cell(page, "NOERROR", 0)
      .locator(".m-cell")
      .evaluate((one) => getComputedStyle(one).backgroundColor);
  const shareOfCode = await background();
  await page.selectOption(".matrix-share select", "column");
  await page.waitForFunction(() => new URL(location.href).searchParams.get("share") === "column");
  await expect.poll(background).not.toBe(shareOfCode);
  await page.reload();
  await page.locator(".matrix thead .m-value", { hasText: "udp" }).waitFor();
  expect(await page.inputValue(".matrix-share select")).toBe("column");
});

test("a cell leads to exactly the queries it counts", async () => {
  const page = await here.open({ path: `/codes?${RANGE}&q=transport:udp&across=transport` });
  await matrixShown(page);
  // Read together: on a server that is asked, both change with the next count.
  const [title, to] = await cell(page, "NXDOMAIN", 0)
    .locator("a")
    .evaluate((one) => [one.getAttribute("title") ?? "", one.getAttribute("href") ?? ""] as const);
  const counted = Number(/: ([\d,]+) queries/.exec(title)?.[1]?.replace(/,/g, ""));
  expect(counted).toBeGreaterThan(0);
  await page.goto(here.url() + to);
  expect(new URL(page.url()).pathname).toBe("/log");
  expect(params(page).get("q")).toBe("transport:udp code:NXDOMAIN");
  expect(params(page).get("from")).toMatch(/^\d{4}-/);
  await rowsShown(page);
  // A server that is asked still writes down what came in the last moments of the range when it is counted.
  const late = REAL ? 20 : 0;
  const beyond = async () => Number(await page.getAttribute("[role=grid]", "aria-rowcount")) - 1 - counted;
  await expect.poll(beyond).toBeGreaterThanOrEqual(0);
  expect(await beyond()).toBeLessThanOrEqual(late);
  await page.goBack();
  await matrixShown(page);
  await page.locator(".matrix thead .m-value a").first().click();
  await page.waitForFunction(() => location.pathname === "/log");
  expect(params(page).get("q")).toBe("transport:udp");
});

test.skipIf(REAL)("a name in the columns is that name alone, and no upstream is searched as none", async () => {
  const page = await here.open({ path: `/codes?${RANGE}&across=domain` });
  await matrixShown(page);
  await cell(page, "NOERROR", 0).locator("a").click();
  await page.waitForFunction(() => location.pathname === "/log");
  expect(params(page).get("q")).toMatch(/^domain:=\S+ code:NOERROR$/);
  const other = await here.open({ path: `/codes?${RANGE}&across=upstream` });
  await other.locator(".matrix thead .m-value", { hasText: "not asked" }).waitFor();
  await other.locator(".matrix thead .m-value a", { hasText: "not asked" }).click();
  await other.waitForFunction(() => new URL(location.href).searchParams.get("q") === "-has:upstream");
});

test("the matrix is walked by the keyboard and is one stop of Tab", async () => {
  const page = await here.open({ path: `/codes?${RANGE}` });
  await matrixShown(page);
  expect(await page.locator(".matrix [tabindex='0']").count()).toBe(1);
  await page.focus(".matrix [tabindex='0']");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowLeft");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toContain("SERVFAIL");
  expect(await page.locator(".matrix [tabindex='0']").count()).toBe(1);
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => location.pathname === "/codes/SERVFAIL");
  // Next and previous in the table's order, back to all, and to search.
  await page.keyboard.press("n");
  await page.waitForFunction(() => location.pathname === "/codes/NXDOMAIN");
  await page.keyboard.press("p");
  await page.waitForFunction(() => location.pathname === "/codes/SERVFAIL");
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await page.waitForFunction(() => location.pathname === "/codes");
  await page.keyboard.press("/");
  await page.waitForFunction(() => document.activeElement?.matches(".searchbox input"));
  await page.keyboard.type("-code:NOERROR");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => new URL(location.href).searchParams.get("q") === "-code:NOERROR");
  await page.locator(".matrix tbody tr:first-child.zero").waitFor();
  await page.getByRole("button", { name: "Without NOERROR", pressed: true }).click();
  await page.waitForFunction(() => new URL(location.href).searchParams.get("q") === null);
});

test("a fault in the search is told once, where it is", async () => {
  const page = await here.open({ path: `/codes?${RANGE}&q=domian:example`, expected: /422/ });
  await page.locator(".failed", { hasText: "cannot be read" }).waitFor();
  expect(await page.locator(".fault").allTextContents()).toContain("domian");
  expect(await page.locator(".failed").count()).toBe(1);
});

test("the two codes of 16 lead to each other", async () => {
  const page = await here.open({ path: `/codes/BADVERS?${RANGE}` });
  await page.locator(".twin a", { hasText: "BADSIG" }).click();
  await page.waitForFunction(() => location.pathname === "/codes/BADSIG");
  expect(params(page).get("from")).toBe("now-24h");
  await page.locator(".twin a", { hasText: "BADVERS" }).waitFor();
  expect(await page.locator(".wire-places").count()).toBe(2);
  expect(await page.locator(".wire-places li.here .wire-place").allTextContents()).toEqual([
    "TSIG error",
    "TKEY error",
  ]);
  await page.goto(`${here.url()}/codes/16?${RANGE}`);
  await page.waitForSelector(".explain");
  expect(await page.locator(".explain").count()).toBe(2);
});

test("a code's page explains it and leads to its queries", async () => {
  const page = await here.open({ path: `/codes/nxdomain?${RANGE}&q=transport:udp` });
  await page.getByRole("heading", { name: "NXDOMAIN" }).waitFor();
  await rowsShown(page);
  expect(await page.textContent(".meaning")).toContain("The name does not exist");
  expect(await page.locator(".explain .told li").count()).toBeGreaterThan(3);
  expect(await page.locator(".wire-places li.here .wire-value").allTextContents()).toEqual(["3"]);
  const titles = await page.locator(".bars h3").allTextContents();
  expect(titles).toEqual([
    "Place",
    "Transport",
    "Opcode",
    "Outcome",
    "Action",
    "Extended error",
    "Clients",
    "Names",
    "Upstreams",
    "Keys",
  ]);
  const client = page.locator(".bars", { hasText: "Clients" }).locator("a").first();
  const named = await client.locator(".top-name").textContent();
  await client.click();
  await page.waitForFunction(() => location.pathname === "/log");
  expect(params(page).get("q")).toContain("code:NXDOMAIN");
  expect(params(page).get("q")).toContain("transport:udp");
  expect(params(page).get("q")).toContain(`client:${named ?? ""}`);
});

test("an example opens beside the page and closes again", async () => {
  const page = await here.open({ path: `/codes/NXDOMAIN?${RANGE}` });
  await rowsShown(page);
  await page.locator(`${ROW} .col-time`).first().click();
  await page.waitForSelector(".drawer .summary");
  expect(new URL(page.url()).pathname).toBe("/codes/NXDOMAIN");
  expect(params(page).get("sel")).not.toBeNull();
  await page.keyboard.press("j");
  await page.waitForSelector(`${ROW}.open[data-index="1"]`);
  await page.keyboard.press("Escape");
  await page.waitForSelector(".drawer", { state: "detached" });
});

test.skipIf(REAL)("a code that did not come says so, when it came last, and where to look", async () => {
  const page = await here.open({ path: `/codes/BADALG?from=now-15m&q=transport:udp` });
  const none = page.locator(".not-seen");
  await none.locator("h2", { hasText: "no reply carried BADALG" }).waitFor();
  await none.getByText("That is as it should be.").waitFor();
  await none.getByText("Last seen").waitFor();
  // The explanation is whole all the same.
  expect(await page.locator(".explain .told li").count()).toBeGreaterThan(2);
  await none.getByRole("button", { name: "Without the search" }).click();
  await page.waitForFunction(() => new URL(location.href).searchParams.get("q") === null);
  await none.locator(".last-seen a").click();
  await rowsShown(page);
});

test("what is no code is said to be none", async () => {
  // Also where the API has a path of that name.
  const other = await here.open({ path: "/codes/matrix", expected: /404/ });
  await other.getByText("No return code is called matrix").waitFor();
  const page = await here.open({ path: "/codes/NOSUCHCODE", expected: /404/ });
  await page.getByText("No return code is called NOSUCHCODE").waitFor();
});

test.skipIf(REAL)("an extended error leads to its explanation, and from there to its queries", async () => {
  const page = await here.open({ path: `/log?${RANGE}&q=code:SERVFAIL+ede:22` });
  await rowsShown(page);
  await page.locator(`${ROW} .col-time`).first().click();
  await page.locator(".drawer .ede a", { hasText: "EDE 22" }).click();
  await page.waitForFunction(() => location.pathname === "/codes");
  expect(params(page).get("ede")).toBe("22");
  await page.waitForSelector("#ede-22[open] .told");
  await expect
    .poll(() => page.locator("#ede-22").evaluate((one) => one.getBoundingClientRect().top < window.innerHeight))
    .toBe(true);
  await page.locator("#ede-22 .ede-body a", { hasText: "Show the" }).click();
  await page.waitForFunction(() => new URL(location.href).searchParams.get("q") === "ede:22");
});

test.skipIf(REAL)("the open row says whose key it was and what the update wanted; both can be columns", async () => {
  const page = await here.open({ path: `/log?${RANGE}&q=code:NXRRSET` });
  await rowsShown(page);
  await page.getByRole("button", { name: "Columns" }).click();
  await page.getByRole("checkbox", { name: "Key" }).check();
  await page.getByRole("checkbox", { name: "Update" }).check();
  await page.keyboard.press("Escape");
  expect(params(page).get("cols")).toBe("key,update");
  const key = page.locator(`${ROW} .col-key`).first();
  const name = await key.textContent();
  expect(name).toMatch(/\.example/);
  await page.locator(`${ROW} .col-time`).first().click();
  await page.locator(".drawer .facts dd", { hasText: name ?? "" }).waitFor();
  await page.locator(".drawer .facts dt", { hasText: "Update" }).waitFor();
  await page.locator(".code-link").click();
  await page.waitForFunction(() => location.pathname === "/codes/NXRRSET");
});

test("the facet lists the codes in the table's order, and says what each means", async () => {
  const page = await here.open({ path: `/log?${RANGE}&q=action:block` });
  await rowsShown(page);
  await page.waitForSelector(".facet-values.codes .facet-only");
  const shown = await page
    .locator(".facet-values.codes .facet-only")
    .evaluateAll((all) => all.map((one) => [one.getAttribute("data-value"), one.getAttribute("title")]));
  expect(shown.slice(0, CODES.length).map(([name]) => name)).toEqual(CODES.map((code) => code.name));
  CODES.forEach((code, index) => expect(shown[index]?.[1]).toContain(code.meaning));
  expect(await page.locator(".facet-value.zero").count()).toBeGreaterThan(10);
});

test("pages do not jump while they load", async () => {
  for (const path of [`/codes?${RANGE}`, `/codes/NXDOMAIN?${RANGE}`]) {
    const page = await here.open({ path });
    await page.waitForSelector(".matrix a.m-cell, .bars a");
    await settled(page);
    const shift = await page.evaluate(
      () =>
        new Promise<number>((resolve) => {
          let sum = 0;
          new PerformanceObserver((list) => {
            for (const one of list.getEntries()) sum += (one as unknown as { value: number }).value;
          }).observe({ type: "layout-shift", buffered: true });
          requestAnimationFrame(() => requestAnimationFrame(() => resolve(sum)));
        }),
    );
    expect(shift, path).toBeLessThan(LAYOUT_SHIFT_MAX);
  }
});

test.skipIf(REAL)("one failing part does not blank the others", async () => {
  const page = await here.open({ path: "/", expected: /503/ });
  here.mock?.fail("/codes/matrix");
  await page.goto(`${here.url()}/codes?${RANGE}`);
  await page.locator(".failed", { hasText: "too many searches" }).waitFor();
  await page.locator("#ede-15 .ede-count", { hasText: /[1-9]/ }).waitFor();
  here.mock?.fail(null);
  await page.click(".failed button");
  await matrixShown(page);
  expect(await page.locator(".failed").count()).toBe(0);
});
