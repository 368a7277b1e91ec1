// Counting check-outs. Pure.

import type { Checkout } from "../api/types";

/** How many there are of each, the most first. */
export function tally<T>(items: readonly T[], of: (item: T) => string): [string, number][] {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(of(item), (counts.get(of(item)) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0]));
}

type Decided = Pick<Checkout, "requested_at" | "votes" | "state">;

/** How many were answered with yes and no, and within how many seconds half of the yeses came. */
export function decisions(items: readonly Decided[]): { answered: number; denied: number; median: number | undefined } {
  const waits = items
    .map(({ requested_at, votes }) => (votes.at(-1) ? Date.parse(votes.at(-1)?.at ?? "") - Date.parse(requested_at) : undefined))
    .filter((wait) => wait !== undefined)
    .sort((a, b) => a - b);
  const middle = waits[Math.floor((waits.length - 1) / 2)];
  return {
    answered: waits.length,
    denied: items.filter(({ state }) => "end" in state && state.end?.reason === "denied").length,
    median: middle === undefined ? undefined : middle / 1_000,
  };
}
