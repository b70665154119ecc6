// Before all tests: a token signs in once, so the session it opens is shared by every file.

import type { TestProject } from "vitest/node";

export interface Cookie {
  name: string;
  value: string;
}

declare module "vitest" {
  export interface ProvidedContext {
    cookie: Cookie;
  }
}

export default async function signIn(project: TestProject): Promise<void> {
  const url = process.env.NAMEWARD_URL?.replace(/\/$/, "");
  if (url === undefined) return project.provide("cookie", { name: "", value: "" });
  const reply = await fetch(`${url}/api/v1/session`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: url },
    body: JSON.stringify({ token: process.env.NAMEWARD_TOKEN ?? "" }),
  });
  const cookie = /^([^=]+)=([^;]*)/.exec(reply.headers.get("set-cookie") ?? "");
  if (!reply.ok || cookie?.[1] === undefined || cookie[2] === undefined) {
    throw new Error(
      `${url} does not take NAMEWARD_TOKEN (${reply.status}): a token works once, take the one printed last`,
    );
  }
  project.provide("cookie", { name: cookie[1], value: cookie[2] });
}
