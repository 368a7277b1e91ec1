import { expect, test } from "vitest";

import type { Channel } from "../api/types";
import { CONCERNS, EVENTS, eventSays, standing, takes } from "./words";

const nothing = { events: [], targets: [], labels: [], groups: [] };
const channel = { ...nothing, disabled: false, failing: 0, dead: 0, waiting: 0, delivered_at: null } as unknown as Channel;

test("what goes to a channel is said as people say it", () => {
  expect(takes(nothing)).toBe("everything");
  expect(takes({ events: ["revoked"], targets: ["db1"], labels: ["production"], groups: ["dba"] })).toBe(
    "revoked about db1 or anything labelled production of members of dba",
  );
});

test("a channel that fails is not hidden behind one that delivered once", () => {
  expect(standing(channel).says).toBe("not used yet");
  const delivered = { ...channel, delivered_at: "2030-01-01T00:00:00Z" };
  expect(standing(delivered).color).toBe("green");
  expect(standing({ ...delivered, dead: 2 }).says).toBe("2 given up");
  expect(standing({ ...delivered, dead: 2, failing: 1, waiting: 4 }).says).toBe("fails, 4 waiting");
  expect(standing({ ...delivered, failing: 1, disabled: true }).says).toBe("off");
});

test("every event that concerns somebody has its words", () => {
  for (const { events } of CONCERNS) for (const event of events) expect(EVENTS.map(({ value }) => value)).toContain(event);
  expect(eventSays("test")).toBe("A test");
});
