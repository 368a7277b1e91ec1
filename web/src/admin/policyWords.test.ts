import { expect, it } from "vitest";

import type { Terms } from "../api/types";
import { inWords } from "./policyWords";

const terms = {
  checkout: true,
  requesters: ["dba"],
  approvals: [{ votes: 2, groups: ["dba-leads"] }],
  self_approval: "never",
  admins_approve: false,
  reason: "required",
  ticket: "required",
  ticket_pattern: "CHG[0-9]{7}",
  default_duration: "1h",
  maximum_duration: "4h",
  exclusive: false,
  recording: "required",
  reveal: "never",
} as unknown as Terms;

it("tells a policy as somebody would", () => {
  expect(inWords(terms)).toEqual([
    "Members of dba may ask, for up to 4 hours (1 hour if nothing is said).",
    "2 approvers of dba-leads must agree.",
    "Asked for: a reason, a ticket like CHG[0-9]{7}.",
    "Everything is recorded, or it does not open.",
  ]);
});

it("says plainly what is open and what is shut", () => {
  expect(inWords({ ...terms, checkout: false })).toEqual(["Nobody may ask."]);
  const open = inWords({ ...terms, requesters: [], approvals: [], recording: "off" });
  expect(open).toContain("Nobody has to approve: it opens at once.");
  expect(open).toContain("Nothing is recorded.");
  const staged = inWords({ ...terms, approvals: [{ votes: 1, groups: [] }, { votes: 1, groups: ["ciso"] }] });
  expect(staged).toContain("First one approver must agree.");
  expect(staged).toContain("Then one approver of ciso must agree.");
});
