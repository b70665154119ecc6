// A query as the command that asks it again.

import type { EventRow } from "../api.ts";

/** The command that asks the same question again. */
export function digCommand(
  row: Pick<EventRow, "domain" | "qtype" | "qclass" | "transport" | "flags">,
  listeners: readonly string[],
): string {
  const wanted = row.transport === "tcp" ? "tcp" : "udp";
  const listener = listeners.find((one) => one.startsWith(`${wanted}://`)) ?? listeners[0];
  const at = listener === undefined ? null : /^\w+:\/\/(.*):(\d+)$/.exec(listener);
  const host = at?.[1]
    ?.replace(/^\[|\]$/g, "")
    .replace(/^(0\.0\.0\.0)$/, "127.0.0.1")
    .replace(/^::$/, "::1");
  const name = row.domain ?? ".";
  const parts = ["dig"];
  if (host !== undefined) parts.push(`@${host}`);
  if (at?.[2] !== undefined && at[2] !== "53") parts.push(`-p ${at[2]}`);
  // Names may hold anything the wire can carry; quote what a shell would read.
  parts.push(/^[\w.-]+$/.test(name) ? name : `'${name.replace(/'/g, "'\\''")}'`);
  parts.push(row.qtype);
  if (row.qclass !== "IN") parts.push(`-c ${row.qclass}`);
  if (row.transport === "tcp") parts.push("+tcp");
  if (row.flags.includes("DO")) parts.push("+dnssec");
  else if (!row.flags.includes("EDNS")) parts.push("+noedns");
  if (row.flags.includes("CD")) parts.push("+cdflag");
  if (!row.flags.includes("RD")) parts.push("+norecurse");
  return parts.join(" ");
}
