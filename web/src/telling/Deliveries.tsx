// What is on its way, what arrived, and what was given up and why.

import { SegmentedControl, Title } from "@mantine/core";
import { Link } from "react-router";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { useList } from "../api/queries";
import type { Delivery } from "../api/types";
import { useAddress } from "../parts/address";
import { Listed } from "../parts/Listed";
import { Moment } from "../parts/Moment";
import { RowMenu } from "../parts/RowMenu";
import { Search } from "../parts/Search";
import { Failed, Nothing } from "../parts/State";
import { Flag } from "../parts/Status";
import type { Column } from "../parts/Table";
import { useIs } from "../shell/me";
import { sentence } from "../text/words";
import { DELIVERY, eventSays } from "./words";

const DEFAULTS = { state: "" };

export function Deliveries() {
  const admin = useIs("admin");
  const [asked, change] = useAddress(DEFAULTS);
  const list = useList<Delivery>("/api/v1/deliveries", asked);
  const retry = useAction(
    (id: string) => told(api.POST("/api/v1/deliveries/{id}/retry", { params: { path: { id } } })),
    ["delivery", "channel"],
  );
  const columns: Column<Delivery>[] = [
    { id: "at", header: "When", cell: (row) => <Moment at={row.created_at} /> },
    { id: "event", header: "What", cell: (row) => eventSays(row.event) },
    { id: "code", header: "Check-out", cell: (row) => (row.code ? <Link to={`/checkouts/${row.code}`}>{row.code}</Link> : "–") },
    { id: "channel", header: "Channel", cell: (row) => row.channel_name },
    { id: "to", header: "To", cell: (row) => row.recipient || "–" },
    { id: "state", header: "State", cell: (row) => <Flag {...DELIVERY[row.state]} /> },
    { id: "tries", header: "Tries", align: "right", minor: true, cell: (row) => <span className="numbers">{row.attempts}</span> },
    {
      id: "why",
      header: "Why",
      cell: (row) => (
        <div className="why">
          {row.state !== "delivered" && row.error ? sentence(row.error) : ""}
          {row.state === "waiting" && row.attempts > 0 ? (
            <>
              {" "}
              Next try <Moment at={row.due_at} />.
            </>
          ) : null}
        </div>
      ),
    },
    {
      id: "acts",
      header: "",
      cell: (row) =>
        admin && row.state !== "delivered" ? (
          <RowMenu of={`the delivery of ${eventSays(row.event)}`} acts={[{ says: "Try it again", sign: "play", run: () => retry.mutate(row.id) }]} />
        ) : null,
    },
  ];
  return (
    <section aria-labelledby="deliveries">
      <Title order={2} size="h3" id="deliveries" mt="xl" mb="sm">
        What went out
      </Title>
      <div className="filters">
        <SegmentedControl
          aria-label="State"
          data={[
            { value: "", label: "All" },
            { value: "waiting", label: "Waiting" },
            { value: "dead", label: "Given up" },
          ]}
          value={asked.state ?? ""}
          onChange={(state) => change({ state })}
        />
        <Search label="Channel" placeholder="Its whole name" value={asked.channel ?? ""} onChange={(channel) => change({ channel })} />
      </div>
      <Failed error={retry.error} />
      <Listed
        of={list}
        label="What went out"
        columns={columns}
        rowId={(row) => row.id}
        nothing={<Nothing sign="send" title={asked.state || asked.channel ? "Nothing matches" : "Nothing went out yet"} />}
      />
    </section>
  );
}
