// Where somebody is signed in.

import { Button } from "@mantine/core";
import type { ReactNode } from "react";

import type { SignIn } from "../api/types";
import { Moment } from "./Moment";
import { type Column, Table } from "./Table";

export function SignInList({ items, onEnd }: { items: SignIn[]; onEnd?: (one: SignIn) => void }) {
  const columns: Column<SignIn>[] = [
    { id: "where", header: "Where", cell: where },
    { id: "factor", header: "Shown", cell: (row) => (row.second_factor ? "with a second factor" : "one proof"), minor: true },
    { id: "since", header: "Since", cell: (row) => <Moment at={row.since} /> },
    { id: "seen", header: "Last seen", cell: (row) => <Moment at={row.last_seen_at} /> },
    { id: "until", header: "Until", cell: (row) => <Moment at={row.expires_at} />, minor: true },
  ];
  if (onEnd) {
    columns.push({
      id: "end",
      header: "",
      cell: (row) => (
        <Button size="compact-sm" variant="default" onClick={() => onEnd(row)} aria-label={`Sign out at ${row.peer}`}>
          Sign out
        </Button>
      ),
    });
  }
  return <Table label="Sign-ins" columns={columns} rows={items} rowId={(row) => row.id} />;
}

function where(row: SignIn): ReactNode {
  const place = `${row.browser ? "Browser" : "Command line"} at ${row.peer}`;
  return row.this_one ? (
    <>
      {place} <strong>(here)</strong>
    </>
  ) : (
    place
  );
}
