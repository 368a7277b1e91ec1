// Whether the gateway answers, whether changes arrive as they happen, and whether this browser is
// still signed in. Read with `useConnection`.

import { useSyncExternalStore } from "react";

export interface Connection {
  reachable: boolean;
  live: boolean;
  /** Was signed in, and is not any more. */
  signedOut: boolean;
}

let now: Connection = { reachable: true, live: true, signedOut: false };
const listeners = new Set<() => void>();

function change(next: Partial<Connection>): void {
  const after = { ...now, ...next };
  if (after.reachable === now.reachable && after.live === now.live && after.signedOut === now.signedOut) return;
  now = after;
  for (const listener of listeners) listener();
}

export const connection = {
  lost: () => change({ reachable: false }),
  back: () => change({ reachable: true }),
  live: (live: boolean) => change({ live }),
  signedOut: () => change({ signedOut: true }),
  signedIn: () => change({ signedOut: false, reachable: true }),
  read: () => now,
};

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function useConnection(): Connection {
  return useSyncExternalStore(subscribe, connection.read);
}
