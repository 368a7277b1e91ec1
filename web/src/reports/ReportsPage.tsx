// Small answers out of the list of check-outs: who has what now, and what there was of late.

import { SegmentedControl, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";

import { useCheckouts } from "../api/queries";
import type { Checkout } from "../api/types";
import { endOf, grantOf, whatOf } from "../checkout/facts";
import { useAddress } from "../parts/address";
import { Countdown } from "../parts/Countdown";
import { Facts } from "../parts/Facts";
import { Head, Nothing, Shown } from "../parts/State";
import { type Column, Table } from "../parts/Table";
import { useTitle } from "../shell/title";
import { spanInWords } from "../text/span";
import { gatewayNow } from "../text/time";
import { decisions, tally } from "./tally";

const DEFAULTS = { days: "30" };

const now: Column<Checkout>[] = [
  { id: "who", header: "Who", cell: (row) => row.requester_name },
  { id: "what", header: "Holds", cell: (row) => whatOf(row) },
  { id: "code", header: "Check-out", cell: (row) => <Link to={`/checkouts/${row.code}`}>{row.code}</Link> },
  { id: "ticket", header: "Ticket", cell: (row) => row.ticket ?? "" },
  { id: "left", header: "Left", cell: (row) => <Left checkout={row} /> },
];

function Left({ checkout }: { checkout: Checkout }) {
  const grant = grantOf(checkout);
  return grant ? <Countdown until={grant.ends_at} /> : null;
}

export function ReportsPage() {
  useTitle("Reports");
  const [asked, change] = useAddress(DEFAULTS);
  // To the hour, so that the same question is not asked anew each second.
  const hour = Math.floor(gatewayNow() / 3_600_000) * 3_600_000;
  const since = new Date(hour - Number(asked.days) * 86_400_000).toISOString();
  const active = useCheckouts({ state: "active", limit: "200" });
  const late = useCheckouts({ since, limit: "200" });
  return (
    <>
      <Head title="Reports" />
      <Section title="Who has access now">
        <Shown of={active}>
          {({ items }) =>
            items.length > 0 ? (
              <Table label="Who has access now" columns={now} rows={items} rowId={(row) => row.id} />
            ) : (
              <Nothing sign="door" title="Nobody has access to anything right now" />
            )
          }
        </Shown>
      </Section>
      <Section
        title="Check-outs"
        end={
          <SegmentedControl
            aria-label="How far back"
            size="xs"
            data={[
              { value: "1", label: "A day" },
              { value: "7", label: "A week" },
              { value: "30", label: "30 days" },
            ]}
            value={asked.days ?? "30"}
            onChange={(days) => change({ days })}
          />
        }
      >
        <Shown of={late}>
          {({ items, next }) =>
            items.length > 0 ? <Late items={items} whole={!next} /> : <Nothing sign="chart" title="Nothing was asked for in this time" />
          }
        </Shown>
      </Section>
    </>
  );
}

function Section({ title, end, children }: { title: string; end?: ReactNode; children: ReactNode }) {
  return (
    <section className="section" aria-label={title}>
      <div className="section-head">
        <Title order={2} size="h4">
          {title}
        </Title>
        {end ?? null}
      </div>
      {children}
    </section>
  );
}

function Late({ items, whole }: { items: Checkout[]; whole: boolean }) {
  const { answered, median, denied } = decisions(items);
  const forced = items.filter((one) => endOf(one)?.reason === "revoked").length;
  return (
    <>
      {whole ? null : (
        <Text size="sm" c="dimmed" mb="sm">
          Of the {items.length} newest. The list of check-outs has all of them, as CSV as well.
        </Text>
      )}
      <div className="card">
        <Facts
          of={[
            ["Asked for", String(items.length)],
            ["Approved", String(answered)],
            ["Denied", String(denied)],
            ["Half were approved within", median === undefined ? "–" : spanInWords(median)],
            ["Revoked", String(forced)],
          ]}
        />
      </div>
      <div className="tiles" style={{ marginTop: 12 }}>
        <Bars title="By target" of={tally(items, (one) => one.target_name)} />
        <Bars title="By person" of={tally(items, (one) => one.requester_name)} />
        <Bars title="By ticket" of={tally(items, (one) => one.ticket ?? "none")} />
      </div>
    </>
  );
}

function Bars({ title, of }: { title: string; of: [string, number][] }) {
  const most = of[0]?.[1] ?? 1;
  return (
    <section className="card tile" aria-label={title}>
      <Title order={3} size="h5">
        {title}
      </Title>
      {of.slice(0, 6).map(([name, number]) => (
        <div key={name}>
          <Text size="sm" className="bar-text">
            <span>{name}</span>
            <span className="numbers">{number}</span>
          </Text>
          <div className="bar" style={{ width: `${(number / most) * 100}%` }} />
        </div>
      ))}
    </section>
  );
}
