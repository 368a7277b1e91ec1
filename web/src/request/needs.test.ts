import { expect, it } from "vitest";

import { type Draft, needsOf, ticketFits } from "./needs";

const account = {
  reason: "required",
  ticket: "required",
  ticket_pattern: "CHG[0-9]{7}",
  minimum_duration: "1m",
  maximum_duration: "8h",
} as const;

const draft: Draft = { asked: "use", framed: "now", duration: "1h", from: "", to: "", reason: "disk is full", ticket: "CHG0012345" };

it("lacks nothing when everything is there", () => {
  expect(needsOf(account, draft)).toEqual({});
});

it("names what is missing and what does not fit", () => {
  expect(Object.keys(needsOf(account, { ...draft, reason: " ", ticket: "" }))).toEqual(["reason", "ticket"]);
  expect(needsOf(account, { ...draft, ticket: "CHG1" }).ticket).toContain("CHG[0-9]{7}");
  expect(needsOf(account, { ...draft, duration: "9h" }).duration).toContain("8 hours");
  expect(needsOf(account, { ...draft, duration: "30s" }).duration).toContain("1 minute");
  expect(needsOf(account, { ...draft, duration: "" }).duration).toBeDefined();
});

it("looks at a time frame instead of a duration", () => {
  const framed = { ...draft, framed: "window", duration: "", from: "2030-01-01T10:00", to: "2030-01-01T11:00" };
  expect(needsOf(account, framed)).toEqual({});
  expect(needsOf(account, { ...framed, to: "2030-01-01T09:00" }).to).toContain("before");
  expect(needsOf(account, { ...framed, to: "2030-01-02T10:00" }).to).toContain("8 hours");
  expect(Object.keys(needsOf(account, { ...framed, from: "", to: "" }))).toEqual(["from", "to"]);
});

it("holds a ticket to the whole pattern, and leaves what it cannot read to the gateway", () => {
  expect(ticketFits({ ticket_pattern: "A|B" }, "AB")).toBe(false);
  expect(ticketFits({ ticket_pattern: "(?i)chg" }, "anything")).toBe(true);
  expect(ticketFits({ ticket_pattern: null }, "anything")).toBe(true);
});
