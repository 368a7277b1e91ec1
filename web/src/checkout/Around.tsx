// What an approver wants to know besides the request: who else is there, and what this person did
// there before.

import { Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { Link } from "react-router";

import { useCheckouts } from "../api/queries";
import type { Checkout } from "../api/types";
import { Countdown } from "../parts/Countdown";
import { Shown } from "../parts/State";
import { Status } from "../parts/Status";
import { ago } from "../text/time";
import { grantOf } from "./facts";

export function Around({ checkout }: { checkout: Checkout }) {
  const { target_name: target, requester_name: user } = checkout;
  const there = useCheckouts({ target, state: "active", limit: "20" });
  const before = useCheckouts({ target, user, limit: "6" });
  const other = (one: Checkout) => one.id !== checkout.id;
  return (
    <section className="card" aria-label="Around it">
      <Title order={2} size="h5" mb={6}>
        Others on {target} now
      </Title>
      <Shown of={there} rows={1}>
        {({ items }) => (
          <Lines of={items.filter(other)} none="Nobody else holds anything there.">
            {(one) => {
              const grant = grantOf(one);
              return (
                <>
                  {one.requester_name} as {one.account_name}, {grant ? <Countdown until={grant.ends_at} /> : null} left
                </>
              );
            }}
          </Lines>
        )}
      </Shown>
      <Title order={2} size="h5" mt="md" mb={6}>
        {user} on {target} before
      </Title>
      <Shown of={before} rows={1}>
        {({ items }) => (
          <Lines of={items.filter(other)} none="Never asked for it before.">
            {(one) => (
              <>
                {ago(one.requested_at)} <Status status={one.status} />
              </>
            )}
          </Lines>
        )}
      </Shown>
    </section>
  );
}

function Lines({ of, none, children }: { of: Checkout[]; none: string; children: (one: Checkout) => ReactNode }) {
  if (of.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {none}
      </Text>
    );
  }
  return of.map((one) => (
    <Text key={one.id} size="sm" component="div">
      <Link to={`/checkouts/${one.code}`}>{one.code}</Link> {children(one)}
    </Text>
  ));
}
