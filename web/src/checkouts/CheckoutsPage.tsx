// The list of check-outs: sorted, filtered, kept in the address, taken away as CSV.

import { Button, MultiSelect, SegmentedControl, TextInput } from "@mantine/core";
import { useDisclosure, useMediaQuery } from "@mantine/hooks";
import { Link } from "react-router";

import { useList } from "../api/queries";
import type { Checkout } from "../api/types";
import { useAddress } from "../parts/address";
import { Icon } from "../parts/Icon";
import { Listed } from "../parts/Listed";
import { Search } from "../parts/Search";
import { Head, Nothing } from "../parts/State";
import { STATUSES } from "../parts/Status";
import { useIs } from "../shell/me";
import { useTitle } from "../shell/title";
import { fromLocal, toLocal } from "../text/time";
import { columns } from "./columns";

const DEFAULTS = { view: "all", sort: "-requested_at" };

export function CheckoutsPage() {
  useTitle("Check-outs");
  const [asked, change] = useAddress(DEFAULTS);
  const narrow = useMediaQuery("(max-width: 48em)");
  const [timed, { toggle }] = useDisclosure(Boolean(asked.since || asked.until));
  const answers = useIs("approver", "admin");
  const sees = useIs("approver", "auditor", "admin");
  const list = useList<Checkout>("/api/v1/checkouts", asked);
  const csv = `/api/v1/checkouts?${new URLSearchParams({ ...asked, format: "csv" })}`;
  const filtered = Boolean(asked.q || asked.state || asked.since || asked.until || asked.view !== "all");
  const day = (name: "since" | "until", label: string) => (
    <TextInput
      type="datetime-local"
      label={label}
      value={asked[name] ? toLocal(new Date(asked[name])) : ""}
      onChange={(event) => change({ [name]: fromLocal(event.currentTarget.value) ?? null })}
      w={{ base: "100%", xs: 210 }}
    />
  );
  return (
    <>
      <Head title="Check-outs" says="Everything that was asked for, and what became of it">
        {answers ? (
          <Button component={Link} to="/grant" leftSection={<Icon sign="plus" size={16} />}>
            Give access
          </Button>
        ) : null}
        <Button component="a" href={csv} download="checkouts.csv" variant="default" leftSection={<Icon sign="download" size={16} />}>
          CSV
        </Button>
      </Head>
      <div className="filters">
        {sees ? (
          <SegmentedControl
            aria-label="Which"
            data={[
              { value: "all", label: "All" },
              { value: "mine", label: "Mine" },
              { value: "waiting", label: "Waiting for me" },
            ]}
            value={asked.view ?? "all"}
            onChange={(view) => change({ view })}
          />
        ) : null}
        <Search label="Search" placeholder="Code, name, ticket, reason" value={asked.q ?? ""} onChange={(q) => change({ q })} />
        <MultiSelect
          label="Status"
          placeholder={asked.state ? "" : "Any"}
          data={STATUSES}
          value={asked.state?.split(",") ?? []}
          onChange={(chosen) => change({ state: chosen.join(",") })}
          clearable
          w={{ base: "100%", xs: 230 }}
        />
        <Button variant="subtle" hiddenFrom="sm" onClick={toggle} aria-expanded={timed}>
          Time range
        </Button>
        {timed || !narrow ? day("since", "Asked for since") : null}
        {timed || !narrow ? day("until", "until") : null}
      </div>
      <Listed
        of={list}
        label="Check-outs"
        columns={columns}
        rowId={(row) => row.id}
        sort={asked.sort}
        onSort={(sort) => change({ sort })}
        nothing={
          filtered ? (
            <Nothing sign="search" title="Nothing matches">
              <Button
                variant="default"
                size="xs"
                onClick={() => change({ q: null, state: null, since: null, until: null, view: null })}
              >
                Show all
              </Button>
            </Nothing>
          ) : (
            <Nothing sign="list" title="Nobody has asked for anything yet" />
          )
        }
      />
    </>
  );
}
