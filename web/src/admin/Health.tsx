// How the gateway does: its nodes, the room for recordings, the audit chain, whether people are told.

import { Progress, Text, Title } from "@mantine/core";
import { Link } from "react-router";

import { useStanding } from "../api/queries";
import type { Standing } from "../api/types";
import { Facts } from "../parts/Facts";
import { Moment } from "../parts/Moment";
import { Head, Shown } from "../parts/State";
import { Flag } from "../parts/Status";
import { type Column, Table } from "../parts/Table";
import { useTitle } from "../shell/title";
import { count, size } from "../text/words";
import { worries } from "./health";

type Node = Standing["nodes"][number];

const columns: Column<Node>[] = [
  { id: "name", header: "Node", cell: (row) => <span className="code">{row.name}</span> },
  { id: "state", header: "State", cell: (row) => (row.silent ? <Flag says="silent" color="red" /> : <Flag says="running" color="green" />) },
  { id: "sessions", header: "Live sessions", align: "right", cell: (row) => <span className="numbers">{row.sessions}</span> },
  { id: "started", header: "Runs since", cell: (row) => <Moment at={row.started_at} /> },
  { id: "seen", header: "Last sign of life", cell: (row) => <Moment at={row.seen_at} /> },
];

export function Health() {
  useTitle("Health");
  const standing = useStanding();
  return (
    <>
      <Head title="Health" says="How the gateway does, looked at every five seconds" />
      <Shown of={standing}>
        {(now) => {
          const wrong = worries(now);
          return (
            <>
              <section className="card" aria-label="In short" role="status" style={{ marginBottom: 24 }}>
                {wrong.length === 0 ? (
                  <Text fw={600}>
                    <Flag says="well" color="green" /> Everything is as it should be.
                  </Text>
                ) : (
                  wrong.map((sentence) => (
                    <Text key={sentence} fw={600}>
                      <Flag says="look" color="red" /> {sentence}
                    </Text>
                  ))
                )}
              </section>
              <section className="section" aria-labelledby="nodes">
                <Title order={2} size="h4" id="nodes" mb="sm">
                  Nodes
                </Title>
                <Table label="Nodes" columns={columns} rows={now.nodes} rowId={(row) => row.id} />
              </section>
              <section className="section" aria-labelledby="storage">
                <Title order={2} size="h4" id="storage" mb="sm">
                  Storage and evidence
                </Title>
                <div className="card">
                  <Room of={now.recordings} />
                  <Facts
                    of={[
                      ["Audit events", <span key="n" className="numbers">{now.audit.newest}</span>],
                      [
                        "Signed up to",
                        now.audit.signed == null ? (
                          "nothing yet"
                        ) : (
                          <span key="s" className="numbers">
                            {now.audit.signed}, <Moment at={now.audit.signed_at} />
                          </span>
                        ),
                      ],
                      [
                        "Notices",
                        <Link key="c" to="/admin/notices">
                          {now.notices.channels === 0 ? "no channel" : count(now.notices.channels, "channel")}
                          {now.notices.dead > 0 ? `, ${now.notices.dead} given up` : ""}
                        </Link>,
                      ],
                      ["Version", now.version],
                    ]}
                  />
                </div>
              </section>
            </>
          );
        }}
      </Shown>
    </>
  );
}

function Room({ of: { free_bytes, reserve_bytes } }: { of: Standing["recordings"] }) {
  if (free_bytes == null) return <Text size="sm">The volume of the recordings does not say how much room it has.</Text>;
  // Against twice what is kept free: fuller than that is soon too full.
  const ample = Math.max(reserve_bytes * 4, 1);
  const share = Math.min(100, (free_bytes / ample) * 100);
  return (
    <div style={{ marginBottom: 16 }}>
      <Text size="sm" mb={6}>
        {size(free_bytes)} free for recordings; below {size(reserve_bytes)} no session begins that must be recorded.
      </Text>
      <Progress.Root size={8} radius="xl">
        <Progress.Section value={share} color={share <= 25 ? "red" : "brand"} aria-label="Room for recordings" />
      </Progress.Root>
    </div>
  );
}
