import { expect, test } from "vitest";
import { REAL, rig, rowsShown } from "./harness.ts";

const here = rig({ events: 0, stopped: "no space left on device" });

test.skipIf(REAL)("with an empty log every code is listed and explained all the same", async () => {
  const page = await here.open({ path: "/codes" });
  await page.waitForSelector(".matrix tbody tr");
  expect(await page.locator(".matrix tbody tr").count()).toBe(21);
  await page.locator(".m-link", { hasText: "BADTRUNC" }).click();
  await page.locator(".not-seen", { hasText: "No queries at all in this range" }).waitFor();
  await page.locator(".not-seen", { hasText: "Nor was it seen in the last 30 days" }).waitFor();
  expect(await page.textContent(".meaning")).toContain("shorter than the server allows");
});

test.skipIf(REAL)("a new install says how to make a first query, and shows it by itself", async () => {
  const page = await here.open({ path: "/log" });
  await page.getByText("No queries yet").waitFor();
  expect(await page.textContent(".command code")).toBe("dig @127.0.0.1 -p 5353 example.com A");
  here.mock?.ask();
  await rowsShown(page);
});

test.skipIf(REAL)("a log that is not written cannot be overlooked", async () => {
  const page = await here.open();
  await page.locator(".banner", { hasText: "no space left on device" }).waitFor();
  await page.locator(".health", { hasText: "Log stopped" }).waitFor();
});
