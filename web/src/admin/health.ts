// What an admin should look at, each in a sentence. Pure.

import type { Standing } from "../api/types";
import { size } from "../text/words";

export function worries({ nodes, recordings, audit, notices, now }: Standing): string[] {
  const found: string[] = [];
  for (const { name, silent } of nodes) {
    if (silent) found.push(`Node ${name} gives no sign of life; its sessions end when it is given up.`);
  }
  const { free_bytes: free, reserve_bytes: reserve } = recordings;
  if (free == null) found.push("How much room is left for recordings cannot be told.");
  else if (free <= reserve) found.push(`Only ${size(free)} are left for recordings: no session begins that must be recorded.`);
  else if (free <= reserve * 2) found.push(`Only ${size(free)} are left for recordings.`);
  const unsigned = audit.newest - (audit.signed ?? 0);
  const age = audit.signed_at ? Date.parse(now) - Date.parse(audit.signed_at) : Number.POSITIVE_INFINITY;
  if (unsigned > 0 && age > 300_000) found.push("The newest audit events are not signed since more than five minutes.");
  for (const name of notices.failing) found.push(`Notices on ${name} do not arrive right now.`);
  if (notices.channels === 0) found.push("Nobody is told of requests: there is no channel.");
  return found;
}
