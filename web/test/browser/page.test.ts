import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { params, REAL, rig, ROW, rowsShown, settled, violations } from "./harness.ts";

const here = rig();
/** DESIGN: first load, gzip. */
const FIRST_LOAD_BYTES_MAX = 120_000;

describe("everyone can use", () => {
  for (const scheme of ["light", "dark"] as const) {
    for (const width of [1440, 320]) {
      test(`the overview, ${scheme}, ${width} wide`, async () => {
        const page = await here.open({ path: "/?from=now-24h", scheme, width });
        await page.waitForSelector(".strip-canvas");
        await page.waitForSelector(".top-list a");
        await settled(page);
        expect(await violations(page)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      });
      test(`the query log, ${scheme}, ${width} wide`, async () => {
        const page = await here.open({ path: "/log?from=now-24h&q=-code:REFUSED", scheme, width });
        await rowsShown(page);
        await page.waitForSelector(".strip-canvas");
        await settled(page);
        expect(await violations(page)).toEqual([]);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
        await page.locator(`${ROW} .col-time`).first().click();
        await page.waitForSelector(".drawer .summary");
        await settled(page);
        expect(await violations(page)).toEqual([]);
      });
    }
  }
});

test("the sign-in page and the status can be used by everyone", async () => {
  const out = await here.open({ signedOut: true, expected: /401/ });
  await out.waitForSelector("#token");
  expect(await violations(out)).toEqual([]);
  const page = await here.open({ scheme: "dark" });
  await page.waitForSelector(".figure");
  await page.getByTitle("Server status").first().click();
  await page.waitForSelector(".status-panel .facts");
  await page.evaluate(() => document.querySelectorAll("details").forEach((one) => (one.open = true)));
  expect(await violations(page)).toEqual([]);
});

test("the first load is within its budget, and all of it comes from here", async () => {
  const page = await here.open();
  await page.waitForSelector(".figure");
  const loaded = await page.evaluate(() => [
    location.href,
    ...performance.getEntriesByType("resource").map((one) => one.name),
  ]);
  const files = loaded.filter((one) => !one.includes("/api/"));
  expect(files.some((one) => one.endsWith(".js"))).toBe(true);
  const sizes = await Promise.all(
    files.map(async (one) => gzipSync(await (await page.request.get(one)).body()).length),
  );
  expect(sizes.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(FIRST_LOAD_BYTES_MAX);
});

test("a figure leads to the queries behind it, over exactly its range", async () => {
  const page = await here.open({ path: "/?from=now-24h" });
  await page.locator(".figure", { hasText: "Blocked" }).click();
  await page.waitForFunction(() => location.pathname === "/log");
  expect(params(page).get("q")).toBe("action:block");
  expect(params(page).get("from")).toMatch(/^\d{4}-/);
  expect(params(page).get("to")).toMatch(/^\d{4}-/);
  await page.goBack();
  await page.waitForSelector(".figure");
  expect(params(page).get("from")).toBe("now-24h");
});

test("a row of the strip leads to its code", async () => {
  const page = await here.open({ path: "/?from=now-24h" });
  await page.locator(".strip-name", { hasText: "NXDOMAIN" }).click();
  await page.waitForFunction(() => new URL(location.href).searchParams.get("q") === "code:NXDOMAIN");
});

test("the overview has a row for each named code", async () => {
  const page = await here.open();
  await page.waitForSelector(".strip-row");
  const names = await page.locator(".strip-name").allTextContents();
  expect(names.filter((name) => /^[A-Z]+$/.test(name)).length).toBeGreaterThanOrEqual(21);
});

test("the theme follows the browser until one chooses", async () => {
  const page = await here.open({ scheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  await page.waitForSelector(".bar-top");
  const dark = await ground();
  await page.getByRole("button", { name: /^Theme is auto/ }).click();
  await page.getByRole("button", { name: /^Theme is light/ }).waitFor();
  const light = await ground();
  expect(light).not.toBe(dark);
  await page.reload();
  await page.getByRole("button", { name: /^Theme is light/ }).waitFor();
  expect(await ground()).toBe(light);
});

test("the status says what the server answers on", async () => {
  const page = await here.open();
  await page.getByTitle("Server status").first().click();
  await page.locator(".status-panel li.mono, .status-panel .mono li", { hasText: "udp://" }).first().waitFor();
});

// A real server's token works once, and these tests cannot read its console for the next.
test.skipIf(REAL)("a token in the address signs in and leaves it", async () => {
  const page = await here.open({ path: `/?token=${here.mock?.token ?? ""}&from=now-6h`, signedOut: true });
  await page.waitForSelector(".figure");
  expect(new URL(page.url()).search).toBe("?from=now-6h");
});

test.skipIf(REAL)("without a session one is asked for the token", async () => {
  const page = await here.open({ path: "/log?from=now-6h", signedOut: true, expected: /401/ });
  await page.fill("#token", "not the token");
  await page.keyboard.press("Enter");
  await page.locator("[role=alert]").waitFor();
  await page.fill("#token", here.mock?.token ?? "");
  await page.keyboard.press("Enter");
  await rowsShown(page);
  expect(params(page).get("from")).toBe("now-6h");
});

test.skipIf(REAL)("an old token in the address does not end a session that lives", async () => {
  const page = await here.open({ path: "/?token=old", expected: /401/ });
  await page.waitForSelector(".figure");
  expect(new URL(page.url()).search).toBe("");
});

test("an unknown address says so", async () => {
  const page = await here.open({ path: "/nowhere" });
  await page.getByText("There is no such page").waitFor();
});
