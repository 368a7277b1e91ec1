// What a request still lacks, by the policy's own words. The gateway has the last one.

import type { AccountForm } from "../api/types";
import { parseSpan, wordsOf } from "../text/span";

export interface Draft {
  asked: string;
  framed: string;
  duration: string;
  from: string;
  to: string;
  reason: string;
  ticket: string;
}

type Rules = Pick<AccountForm, "reason" | "ticket" | "ticket_pattern" | "minimum_duration" | "maximum_duration">;

/** Which field lacks what. Nothing is missing where nothing is named. */
export function needsOf(account: Rules, draft: Draft): Record<string, string> {
  const needs: Record<string, string> = {};
  if (account.reason === "required" && !draft.reason.trim()) needs.reason = "Say what you need it for.";
  if (account.ticket === "required" && !draft.ticket.trim()) needs.ticket = "Name the ticket that justifies it.";
  else if (draft.ticket && !ticketFits(account, draft.ticket)) {
    needs.ticket = `This does not look like ${account.ticket_pattern}.`;
  }
  const most = parseSpan(account.maximum_duration) ?? Infinity;
  const least = parseSpan(account.minimum_duration) ?? 0;
  if (draft.framed === "window") {
    const length = (Date.parse(draft.to) - Date.parse(draft.from)) / 1_000;
    if (Number.isNaN(Date.parse(draft.from))) needs.from = "Say when it begins.";
    if (Number.isNaN(Date.parse(draft.to))) needs.to = "Say when it ends.";
    else if (length <= 0) needs.to = "It ends before it begins.";
    else if (length > most) needs.to = `That is longer than ${wordsOf(account.maximum_duration)}, which is the most.`;
    return needs;
  }
  const length = parseSpan(draft.duration);
  if (!length) needs.duration = "Say for how long.";
  else if (length > most) needs.duration = `At most ${wordsOf(account.maximum_duration)}.`;
  else if (length < least) needs.duration = `At least ${wordsOf(account.minimum_duration)}.`;
  return needs;
}

/** Whether a ticket has the form that is wanted; what this browser cannot try passes. */
export function ticketFits({ ticket_pattern }: Pick<AccountForm, "ticket_pattern">, ticket: string): boolean {
  if (!ticket_pattern) return true;
  try {
    return new RegExp(`^(?:${ticket_pattern})$`, "u").test(ticket.trim());
  } catch {
    return true;
  }
}
