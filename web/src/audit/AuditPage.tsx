// The audit log: what happened and what was refused, and whether the chain holds.

import { Button, Switch, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";

import { api, told as answered } from "../api/client";
import { useList } from "../api/queries";
import type { Entry } from "../api/types";
import { useAddress } from "../parts/address";
import { Icon } from "../parts/Icon";
import { Listed } from "../parts/Listed";
import { Moment } from "../parts/Moment";
import { Search } from "../parts/Search";
import { Head, Nothing } from "../parts/State";
import { Flag } from "../parts/Status";
import type { Column } from "../parts/Table";
import { useTitle } from "../shell/title";
import { sentence, told } from "../text/words";

const DEFAULTS = {};

function actorOf({ event: { actor } }: Entry): string {
  if (actor === "gateway") return "the gateway";
  if ("user" in actor) return actor.user.name;
  return actor.nobody.claimed ? `nobody, as “${actor.nobody.claimed}”` : "nobody";
}

const columns: Column<Entry>[] = [
  { id: "seq", header: "No.", cell: (row) => <span className="numbers">{row.seq}</span> },
  { id: "at", header: "When", cell: (row) => <Moment at={row.at} /> },
  { id: "actor", header: "Who", cell: actorOf },
  { id: "kind", header: "What", cell: (row) => <span className="code">{row.event.kind}</span> },
  {
    id: "outcome",
    header: "Outcome",
    cell: ({ event: { outcome } }) =>
      outcome === "done" ? (
        "done"
      ) : (
        <Flag color="red" says={outcome.refused} />
      ),
  },
  { id: "message", header: "In words", cell: (row) => <span title={row.event.message}>{told(row.event.message)}</span> },
];

export function AuditPage() {
  useTitle("Audit log");
  const [asked, change] = useAddress(DEFAULTS);
  const list = useList<Entry>("/api/v1/audit", asked);
  return (
    <>
      <Head title="Audit log" says={<Chain />}>
        <Button component="a" href="/api/v1/audit/export" download="audit.jsonl" variant="default" leftSection={<Icon sign="download" size={16} />}>
          Take it away
        </Button>
      </Head>
      <div className="filters">
        <Search label="What" placeholder="checkout, session.open" value={asked.kind ?? ""} onChange={(kind) => change({ kind })} />
        <Search label="Who did it" value={asked.actor ?? ""} onChange={(actor) => change({ actor })} />
        <Search label="Check-out" value={asked.checkout ?? ""} onChange={(checkout) => change({ checkout })} />
        <Switch
          label="Refusals only"
          checked={asked.refused === "true"}
          onChange={(event) => change({ refused: event.currentTarget.checked ? "true" : null })}
          mb={8}
        />
      </div>
      <Listed
        of={list}
        label="Audit events"
        columns={columns}
        rowId={(row) => String(row.seq)}
        nothing={<Nothing sign="search" title="Nothing matches" />}
      />
    </>
  );
}

/** The whole chain is read for this, so it is asked for and not looked at all the time. */
function Chain() {
  const verdict = useQuery({
    queryKey: ["chain"],
    queryFn: () => answered(api.GET("/api/v1/audit/verify")),
    enabled: false,
  });
  return (
    <Text component="span" size="sm">
      {verdict.data ? (
        <span role="status">
          <Icon sign={verdict.data.intact ? "check" : "warn"} size={15} /> {sentence(verdict.data.message)}{" "}
        </span>
      ) : verdict.error ? (
        <span role="alert">{verdict.error.message} </span>
      ) : null}
      <Button variant="subtle" size="compact-sm" loading={verdict.isFetching} onClick={() => void verdict.refetch()}>
        {verdict.data ? "Verify again" : "Verify the chain"}
      </Button>
    </Text>
  );
}
