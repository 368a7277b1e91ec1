// The recordings that I may see.

import { Button } from "@mantine/core";
import { Link } from "react-router";

import { useList } from "../api/queries";
import type { Recording } from "../api/types";
import { useAddress } from "../parts/address";
import { Icon } from "../parts/Icon";
import { Listed } from "../parts/Listed";
import { Moment } from "../parts/Moment";
import { Search } from "../parts/Search";
import { Head, Nothing } from "../parts/State";
import type { Column } from "../parts/Table";
import { useTitle } from "../shell/title";
import { spanInWords } from "../text/span";
import { size } from "../text/words";
import { KINDS, Watch } from "./RecordingLine";

const DEFAULTS = {};
const STATES: Record<string, string> = { open: "Going on", whole: "Whole", "cut-short": "Cut short", deleted: "Deleted" };

const columns: Column<Recording>[] = [
  { id: "user", header: "Who", cell: (row) => row.user_name },
  { id: "target", header: "Target", cell: (row) => row.target_name },
  { id: "account", header: "Account", cell: (row) => row.account_name },
  { id: "kind", header: "What", cell: (row) => KINDS[row.kind] ?? row.kind },
  { id: "checkout", header: "Check-out", cell: (row) => <Link to={`/checkouts/${row.code}`}>{row.code}</Link> },
  { id: "started", header: "Started", cell: (row) => <Moment at={row.started_at} /> },
  { id: "lasted", header: "Lasted", cell: (row) => (row.duration_s == null ? "" : spanInWords(row.duration_s)) },
  { id: "bytes", header: "Size", align: "right", minor: true, cell: (row) => size(row.bytes) },
  { id: "state", header: "State", cell: (row) => STATES[row.state] ?? row.state },
  { id: "watch", header: "", cell: (row) => <Watch recording={row} /> },
];

export function RecordingsPage() {
  useTitle("Recordings");
  const [asked, change] = useAddress(DEFAULTS);
  const list = useList<Recording>("/api/v1/recordings", asked);
  return (
    <>
      <Head title="Recordings" says="What sessions left. That somebody watched one is written down.">
        <Button component={Link} to="/search" variant="default" leftSection={<Icon sign="search" size={16} />}>
          Search inside
        </Button>
      </Head>
      <div className="filters">
        <Search label="Target" value={asked.target ?? ""} onChange={(target) => change({ target })} />
        <Search label="Who" value={asked.user ?? ""} onChange={(user) => change({ user })} />
        <Search label="Check-out" value={asked.checkout ?? ""} onChange={(checkout) => change({ checkout })} />
      </div>
      <Listed
        of={list}
        label="Recordings"
        columns={columns}
        rowId={(row) => row.id}
        nothing={
          <Nothing sign="play" title="There is no recording to show">
            Sessions leave one where the policy says so.
          </Nothing>
        }
      />
    </>
  );
}
