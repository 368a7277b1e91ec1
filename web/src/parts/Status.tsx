// Where a check-out stands, in a word and a colour.

const LOOK: Record<string, { says: string; color: Color }> = {
  requested: { says: "Waiting", color: "yellow" },
  approved: { says: "Approved", color: "cyan" },
  active: { says: "Active", color: "green" },
  denied: { says: "Denied", color: "red" },
  cancelled: { says: "Cancelled", color: "gray" },
  lapsed: { says: "Lapsed", color: "gray" },
  "checked-in": { says: "Checked in", color: "gray" },
  revoked: { says: "Revoked", color: "red" },
  expired: { says: "Expired", color: "gray" },
};

export type Color = "yellow" | "cyan" | "green" | "red" | "gray";

export const STATUSES = Object.entries(LOOK).map(([value, { says }]) => ({ value, label: says }));

export function Status({ status }: { status: string }) {
  const { says, color } = LOOK[status] ?? { says: status, color: "gray" };
  return <Flag says={says} color={color} />;
}

/** A word that stands out. */
export function Flag({ says, color }: { says: string; color: Color }) {
  return (
    <span className="flag" data-color={color}>
      {says}
    </span>
  );
}
