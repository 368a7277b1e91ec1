// What follows from a check-out as the API tells it.

import type { Checkout } from "../api/types";

export interface Grant {
  starts_at: string;
  ends_at: string;
}

/** When it opens and ends, once that is settled. */
export function grantOf({ state }: Checkout): Grant | undefined {
  return "grant" in state && state.grant ? state.grant : undefined;
}

/** How it ended, if it has. */
export function endOf({ state }: Checkout) {
  return "end" in state ? state.end : undefined;
}

/** `root on db1`. */
export const whatOf = (checkout: Checkout) => `${checkout.account_name} on ${checkout.target_name}`;

/** `sessions`, `to see the secret`, or the name of a set. */
export function askedOf({ asked }: Checkout): string {
  if (asked === "use") return "Sessions";
  if (asked === "reveal") return "To see the secret";
  return `Sessions, with the set “${asked.set}”`;
}

/** How it ended, in a sentence's beginning: `Revoked by bob`. */
export function endedOf(checkout: Checkout): string | undefined {
  const end = endOf(checkout);
  if (!end) return undefined;
  switch (end.reason) {
    case "expired":
      return "Its time was over";
    case "lapsed":
      return "Nobody answered in time";
    case "checked-in":
      return `Checked in by ${end.by}`;
    default:
      return `${end.reason[0]?.toUpperCase()}${end.reason.slice(1)} by ${end.by}`;
  }
}
