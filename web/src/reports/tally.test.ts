import { expect, it } from "vitest";

import { decisions, tally } from "./tally";

it("counts, the most first, then by name", () => {
  expect(tally(["b", "a", "b", "c"], (name) => name)).toEqual([
    ["b", 2],
    ["a", 1],
    ["c", 1],
  ]);
});

it("tells how long answers took", () => {
  const asked = { requested_at: "2030-01-01T10:00:00Z", state: { state: "requested" } } as const;
  const after = (seconds: number) => ({
    ...asked,
    votes: [{ at: new Date(Date.parse(asked.requested_at) + seconds * 1_000).toISOString() }] as never,
  });
  expect(decisions([{ ...asked, votes: [] }])).toEqual({ answered: 0, denied: 0, median: undefined });
  expect(decisions([after(30), after(10), after(600)])).toEqual({ answered: 3, denied: 0, median: 30 });
});
