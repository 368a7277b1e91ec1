// Sessions: what is open, with what flows, and what was.

import { Button, SegmentedControl } from "@mantine/core";
import { Link } from "react-router";

import { useList } from "../api/queries";
import type { Session } from "../api/types";
import { useAddress } from "../parts/address";
import { Listed } from "../parts/Listed";
import { Moment } from "../parts/Moment";
import { Search } from "../parts/Search";
import { Head, Nothing } from "../parts/State";
import type { Column } from "../parts/Table";
import { useTitle } from "../shell/title";
import { spanInWords } from "../text/span";
import { size } from "../text/words";
import { Kill } from "./LiveSession";

const DEFAULTS = { sort: "-opened_at" };

const lasted = ({ opened_at, closed_at }: Session) =>
  closed_at ? spanInWords((Date.parse(closed_at) - Date.parse(opened_at)) / 1_000) : "open";

const columns: Column<Session>[] = [
  { id: "user", header: "Who", sort: "user", cell: (row) => row.user_name },
  { id: "target", header: "Target", sort: "target", cell: (row) => row.target_name },
  { id: "account", header: "Account", sort: "account", cell: (row) => row.account_name },
  { id: "checkout", header: "Check-out", cell: (row) => <Link to={`/checkouts/${row.code}`}>{row.code}</Link> },
  { id: "ticket", header: "Ticket", cell: (row) => row.ticket ?? "" },
  { id: "opened", header: "Opened", sort: "opened_at", cell: (row) => <Moment at={row.opened_at} /> },
  { id: "lasted", header: "Lasted", sort: "closed_at", cell: lasted },
  { id: "in", header: "In", sort: "bytes_in", align: "right", cell: (row) => size(row.bytes_in) },
  { id: "out", header: "Out", sort: "bytes_out", align: "right", cell: (row) => size(row.bytes_out) },
  { id: "peer", header: "From", minor: true, cell: (row) => row.peer.replace(/:\d+$/, "") },
  { id: "client", header: "Client", minor: true, cell: (row) => row.client },
  { id: "message", header: "How it ended", cell: (row) => (row.live ? "" : <span title={row.message}>{row.message || row.outcome}</span>) },
  {
    id: "files",
    header: "Files",
    cell: (row) => (
      <Link to={`/sessions/${row.id}/files`} aria-label={`Files of ${row.user_name} on ${row.target_name}`}>
        Files
      </Link>
    ),
  },
  { id: "kill", header: "", cell: (row) => (row.live ? <Kill session={row} /> : null) },
];

export function SessionsPage() {
  useTitle("Sessions");
  const [asked, change] = useAddress(DEFAULTS);
  const list = useList<Session>("/api/v1/sessions", asked);
  return (
    <>
      <Head title="Sessions" says="Live connections through the gateway, and those that are over" />
      <div className="filters">
        <SegmentedControl
          aria-label="Which"
          data={[
            { value: "", label: "All" },
            { value: "true", label: "Live" },
            { value: "false", label: "Over" },
          ]}
          value={asked.live ?? ""}
          onChange={(live) => change({ live })}
        />
        <Search label="Target" value={asked.target ?? ""} onChange={(target) => change({ target })} />
        <Search label="Who" value={asked.user ?? ""} onChange={(user) => change({ user })} />
      </div>
      <Listed
        of={list}
        label="Sessions"
        columns={columns}
        rowId={(row) => row.id}
        sort={asked.sort}
        onSort={(sort) => change({ sort })}
        nothing={
          <Nothing sign="terminal" title={asked.live === "true" ? "No session is open" : "There is no session to show"}>
            {asked.live || asked.target || asked.user ? (
              <Button variant="default" size="xs" onClick={() => change({ live: null, target: null, user: null })}>
                Show all
              </Button>
            ) : (
              "A session appears here when somebody connects under a check-out."
            )}
          </Nothing>
        }
      />
    </>
  );
}
