// A policy in plain words, as somebody would tell it. Pure.

import type { Terms } from "../api/types";
import { wordsOf } from "../text/span";
import { anyOf, count } from "../text/words";

/** One sentence for each thing that matters, in the order in which people meet them. */
export function inWords(terms: Terms): string[] {
  if (!terms.checkout) return ["Nobody may ask."];
  const asks = terms.requesters.length > 0 ? `Members of ${anyOf([...terms.requesters])}` : "Every requester";
  const lines = [`${asks} may ask, for up to ${wordsOf(terms.maximum_duration)} (${wordsOf(terms.default_duration)} if nothing is said).`];
  lines.push(...terms.approvals.map((stage, index) => stageInWords(stage, index, terms.approvals.length)));
  if (terms.approvals.length === 0) lines.push("Nobody has to approve: it opens at once.");
  const fresh = terms.approve_factor_within;
  if (fresh) lines.push(`Whoever says yes has shown a second factor within the last ${wordsOf(fresh)}.`);
  if (terms.admins_approve) lines.push("Admins count as approvers.");
  if (terms.self_approval === "always") lines.push("People may approve their own requests.");
  if (terms.self_approval === "sole-approver") lines.push("Whoever is the only approver may approve their own.");
  const needs = [modeInWords("a reason", terms.reason), modeInWords(ticketInWords(terms), terms.ticket)].filter(Boolean);
  if (needs.length > 0) lines.push(`Asked for: ${needs.join(", ")}.`);
  if (terms.exclusive) lines.push("One holder of the account at a time.");
  const limits = [
    terms.session_limit ? `a session lasts ${wordsOf(terms.session_limit)} at most` : "",
    terms.idle_limit ? `and ends after ${wordsOf(terms.idle_limit)} without a sign of life` : "",
    terms.maximum_sessions ? `${count(terms.maximum_sessions, "session")} at once` : "",
  ].filter(Boolean);
  if (limits.length > 0) lines.push(`Limits: ${limits.join(", ")}.`);
  lines.push(recordingInWords(terms));
  if (terms.reveal === "on-checkout") {
    const shown = terms.reveal_factor_within;
    const after = shown ? `, with a second factor shown within the last ${wordsOf(shown)}` : "";
    lines.push(`Whoever asks for that may see the secret${after}.`);
  }
  return lines;
}

function stageInWords(stage: Terms["approvals"][number], index: number, stages: number): string {
  const who = stage.groups.length > 0 ? `of ${anyOf([...stage.groups])}` : "";
  const people = stage.votes === 1 ? "One approver" : `${stage.votes} approvers`;
  const first = stages > 1 ? (index === 0 ? "First " : "Then ") : "";
  const said = `${people}${who ? ` ${who}` : ""} must agree.`;
  return first ? first + said[0]?.toLowerCase() + said.slice(1) : said;
}

function modeInWords(what: string, mode: Terms["reason"]): string {
  if (mode === "none") return "";
  return mode === "optional" ? `${what}, if there is one` : what;
}

function ticketInWords({ ticket_pattern }: Terms): string {
  return ticket_pattern ? `a ticket like ${ticket_pattern}` : "a ticket";
}

function recordingInWords({ recording, recording_retention }: Terms): string {
  const kept = recording_retention ? ` and kept for ${wordsOf(recording_retention)}` : "";
  if (recording === "off") return "Nothing is recorded.";
  return recording === "required" ? `Everything is recorded${kept}, or it does not open.` : `It is recorded where possible${kept}.`;
}
