// The columns of the list of check-outs, each sorted by the gateway.

import { Link } from "react-router";

import type { Checkout } from "../api/types";
import { endOf, grantOf } from "../checkout/facts";
import { Moment } from "../parts/Moment";
import { Status } from "../parts/Status";
import type { Column } from "../parts/Table";
import { wordsOf, writeSpan } from "../text/span";

/** What was approved in the end: the shortest vote, or what was given. */
function authorised(checkout: Checkout): string {
  const grant = grantOf(checkout);
  if (!grant) return "";
  return wordsOf(writeSpan((Date.parse(grant.ends_at) - Date.parse(grant.starts_at)) / 1_000));
}

function answeredBy(checkout: Checkout): string {
  const names = checkout.votes.map((vote) => vote.name);
  return names.join(", ") || checkout.approver || (endOf(checkout)?.reason === "denied" ? (endOf(checkout)?.by ?? "") : "");
}

export const columns: Column<Checkout>[] = [
  {
    id: "code",
    header: "Check-out",
    sort: "code",
    cell: (row) => (
      <Link to={`/checkouts/${row.code}`}>
        {row.code}
      </Link>
    ),
  },
  { id: "status", header: "Status", sort: "status", cell: (row) => <Status status={row.status} /> },
  { id: "target", header: "Target", sort: "target", cell: (row) => row.target_name },
  { id: "account", header: "Account", sort: "account", cell: (row) => row.account_name },
  { id: "requester", header: "Requested by", sort: "requester", cell: (row) => row.requester_name },
  { id: "approver", header: "Approver", sort: "approver", cell: answeredBy },
  { id: "ticket", header: "Ticket", sort: "ticket", cell: (row) => row.ticket ?? "" },
  { id: "reason", header: "Reason", sort: "reason", cell: (row) => <span title={row.reason}>{row.reason}</span> },
  { id: "requested_at", header: "Requested", sort: "requested_at", cell: (row) => <Moment at={row.requested_at} /> },
  { id: "duration", header: "Asked for", sort: "duration", minor: true, cell: (row) => wordsOf(row.duration) },
  { id: "authorised", header: "Approved for", sort: "authorised", minor: true, cell: authorised },
  {
    id: "window",
    header: "From",
    sort: "window_starts_at",
    minor: true,
    cell: (row) => <Moment at={row.window?.starts_at} />,
  },
  { id: "starts_at", header: "Opened", sort: "starts_at", minor: true, cell: (row) => <Moment at={grantOf(row)?.starts_at} /> },
  {
    id: "ends_at",
    header: "Ends, ended",
    sort: "ends_at",
    minor: true,
    cell: (row) => <Moment at={endOf(row)?.at ?? grantOf(row)?.ends_at} />,
  },
  { id: "answer", header: "Message", minor: true, cell: (row) => endOf(row)?.message || row.votes.at(-1)?.message || "" },
];
