// `npm run mock`: the mock API (and the built page, if there is one) on the port the real server uses.
// EVENTS=0 for an empty log, RATE for new events per second, PORT for another port.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { runnerImport } from "vite";

const { module } = await runnerImport(fileURLToPath(new URL("server.ts", import.meta.url)));
const dist = fileURLToPath(new URL("../../dist", import.meta.url));
const mock = await module.startMock({
  port: Number(process.env.PORT ?? 8053),
  events: Number(process.env.EVENTS ?? 100_000),
  rate: Number(process.env.RATE ?? 5),
  dist: existsSync(dist) ? dist : undefined,
});
console.log(`mock on ${mock.url}/?token=${mock.token}`);
