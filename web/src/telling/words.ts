// What people are told of, in words: the events, the ways, what became of a delivery.

import type { Channel, Delivery, Happening } from "../api/types";

export const EVENTS: { value: Happening; label: string }[] = [
  { value: "requested", label: "Somebody asks" },
  { value: "handed-over", label: "An answer is handed over" },
  { value: "approved", label: "Approved" },
  { value: "granted", label: "Given without having been asked for" },
  { value: "opened", label: "A window has begun" },
  { value: "denied", label: "Denied" },
  { value: "cancelled", label: "Cancelled" },
  { value: "lapsed", label: "Nobody answered in time" },
  { value: "extension-requested", label: "Somebody asks for more time" },
  { value: "extended", label: "More time was given" },
  { value: "extension-denied", label: "No more time was given" },
  { value: "ending-soon", label: "Ends in ten minutes" },
  { value: "expired", label: "Expired" },
  { value: "checked-in", label: "Checked in" },
  { value: "revoked", label: "Revoked" },
];

export function eventSays(event: string): string {
  return event === "test" ? "A test" : (EVENTS.find(({ value }) => value === event)?.label ?? event);
}

/** What people hear of by mail that concerns them, in the two roles that they may have. */
export const CONCERNS: { role: string; says: string; events: Happening[] }[] = [
  { role: "approver", says: "When you may answer", events: ["requested", "handed-over", "extension-requested"] },
  {
    role: "requester",
    says: "About your own check-outs",
    events: ["approved", "granted", "opened", "denied", "lapsed", "extended", "extension-denied", "ending-soon", "expired", "checked-in", "revoked"],
  },
];

export const KINDS: { value: Channel["kind"]; label: string }[] = [
  { value: "email", label: "E-mail" },
  { value: "webhook", label: "Webhook" },
  { value: "slack", label: "Slack" },
  { value: "teams", label: "Teams" },
];

export function kindSays(kind: string): string {
  return KINDS.find(({ value }) => value === kind)?.label ?? kind;
}

/** Where it leads; the address of a chat is its secret. */
export function leadsTo({ kind, email, hook }: Channel): string {
  if (kind === "email") return email ? email.relay : "nowhere";
  if (kind === "webhook") return hook?.url ?? "nowhere";
  return "an address that is kept secret";
}

/** What goes there, in a sentence without its end. */
export function takes({ events = [], targets = [], labels = [], groups = [] }: Pick<Channel, "events" | "targets" | "labels" | "groups">): string {
  const what = events.length === 0 ? "everything" : events.map((event) => eventSays(event).toLowerCase()).join(", ");
  const where = [...targets, ...labels.map((label) => `anything labelled ${label}`)];
  const about = where.length > 0 ? ` about ${where.join(" or ")}` : "";
  const whose = groups.length > 0 ? ` of members of ${groups.join(" or ")}` : "";
  return `${what}${about}${whose}`;
}

/** How a channel does, and whether that is well. */
export function standing(channel: Channel): { says: string; color: "green" | "yellow" | "red" | "gray" } {
  if (channel.disabled) return { says: "off", color: "gray" };
  if (channel.failing > 0) return { says: `fails, ${channel.waiting} waiting`, color: "red" };
  if (channel.dead > 0) return { says: `${channel.dead} given up`, color: "yellow" };
  if (channel.waiting > 0) return { says: `${channel.waiting} on their way`, color: "gray" };
  return channel.delivered_at ? { says: "well", color: "green" } : { says: "not used yet", color: "gray" };
}

export const DELIVERY: Record<Delivery["state"], { says: string; color: "green" | "yellow" | "red" }> = {
  waiting: { says: "Waiting", color: "yellow" },
  delivered: { says: "Delivered", color: "green" },
  dead: { says: "Given up", color: "red" },
};
