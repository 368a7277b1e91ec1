// One check-out: what was asked, where it stands, what can be done, what happened. Links in
// messages lead here.

import { Anchor, Button, Group, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import { Link, useParams } from "react-router";

import { Failure } from "../api/client";
import { useCheckout, useTargets } from "../api/queries";
import type { Checkout } from "../api/types";
import { Countdown, TimeBar } from "../parts/Countdown";
import { Facts } from "../parts/Facts";
import { Moment } from "../parts/Moment";
import { Head, Nothing, Shown } from "../parts/State";
import { Status } from "../parts/Status";
import { useIs } from "../shell/me";
import { useTitle } from "../shell/title";
import { wordsOf } from "../text/span";
import { anyOf, sentence } from "../text/words";
import { Answer } from "./Answer";
import { Around } from "./Around";
import { Doing } from "./CheckoutCard";
import { CheckInDialog, RevokeDialog } from "./Dialogs";
import { askedOf, endOf, endedOf, grantOf, whatOf } from "./facts";
import { SessionsOf } from "./SessionsOf";
import { Timeline } from "./Timeline";

export function CheckoutPage() {
  const { code = "" } = useParams();
  const checkout = useCheckout(code);
  useTitle(checkout.data ? `${whatOf(checkout.data)}, ${checkout.data.code}` : `Check-out ${code}`);
  if (checkout.error instanceof Failure && checkout.error.status === 404) {
    return (
      <Nothing sign="search" title={`There is no check-out ${code} that you may see`}>
        <Anchor component={Link} to="/checkouts">
          Look at all that you may see
        </Anchor>
      </Nothing>
    );
  }
  return <Shown of={checkout}>{(one) => <View checkout={one} />}</Shown>;
}

function View({ checkout }: { checkout: Checkout }) {
  return (
    <>
      <Head
        title={
          <Group gap="sm" align="center">
            {whatOf(checkout)} <Status status={checkout.status} />
          </Group>
        }
        says={
          <>
            <span className="code">{checkout.code}</span> · {checkout.mine ? "yours" : checkout.requester_name}
            {checkout.ticket ? ` · ${checkout.ticket}` : ""}
          </>
        }
      >
        <Ending checkout={checkout} />
      </Head>
      <div className="split">
        <Stack gap="md">
          {checkout.may_approve ? <Answer key={checkout.version} checkout={checkout} /> : null}
          <Standing checkout={checkout} />
          <Request checkout={checkout} />
          <SessionsOf checkout={checkout} />
        </Stack>
        <Stack gap="md">
          {checkout.may_approve || (checkout.may_revoke && !checkout.mine) ? <Around checkout={checkout} /> : null}
          <section className="card" aria-labelledby="history">
            <Title order={2} size="h5" id="history" mb="md">
              What happened
            </Title>
            <Timeline checkout={checkout} />
          </section>
        </Stack>
      </div>
    </>
  );
}

/** How long it lasts, how it ended, or who is waited for. */
function Standing({ checkout }: { checkout: Checkout }) {
  const grant = grantOf(checkout);
  const end = endOf(checkout);
  if (end) {
    return (
      <section className="card" aria-label="How it ended">
        <Text fw={600}>
          {endedOf(checkout)}, <Moment at={end.at} />
        </Text>
        {end.message ? <p className="quote">{end.message}</p> : null}
      </section>
    );
  }
  if (checkout.status === "active" && grant) {
    return (
      <section className="card card-active" aria-label="Time left">
        <Group justify="space-between" align="flex-end" mb={10}>
          <div className="big-time">
            <Countdown until={grant.ends_at} />
          </div>
          <Text size="sm" c="dimmed">
            left, until <Moment at={grant.ends_at} />
          </Text>
        </Group>
        <TimeBar from={grant.starts_at} until={grant.ends_at} label="Time left" />
        {checkout.extension ? (
          <Text size="sm" mt="sm">
            {checkout.mine ? "You asked" : `${checkout.requester_name} asked`} for {wordsOf(checkout.extension.duration)} more.{" "}
            {waits(checkout)}
          </Text>
        ) : null}
        {checkout.mine ? <Holder checkout={checkout} /> : null}
      </section>
    );
  }
  return (
    <section className="card card-waits" aria-label="What it waits for" >
      <Text fw={600} role="status">{grant ? <>It is approved and opens <Moment at={grant.starts_at} />.</> : waits(checkout)}</Text>
      {grant ? null : (
        <Text size="sm" c="dimmed">
          {checkout.mine ? "This page follows by itself. " : ""}Without an answer it lapses in{" "}
          <Countdown until={checkout.lapses_at} over="a moment" />.
        </Text>
      )}
      {checkout.mine ? <Holder checkout={checkout} /> : null}
    </section>
  );
}

function waits(checkout: Checkout): string {
  const names = checkout.waits_for ?? [];
  if (names.length === 0) return "Nobody may approve it now.";
  return `It waits for ${anyOf(names, 6)}.`;
}

/** What can be done with it, with the way in laid open. */
function Holder({ checkout }: { checkout: Checkout }) {
  const targets = useTargets();
  const target = targets.data?.items.find((one) => one.name === checkout.target_name);
  return <Doing key={checkout.status} checkout={checkout} protocol={target?.protocol} open={checkout.status === "active"} />;
}

function Request({ checkout }: { checkout: Checkout }) {
  const grant = grantOf(checkout);
  const { window } = checkout;
  // Whoever answers has read it above their answer.
  const told = checkout.may_approve && !checkout.extension;
  return (
    <section className="card" aria-labelledby="request">
      <Title order={2} size="h5" id="request" mb="md">
        The request
      </Title>
      {checkout.reason && !told ? <p className="quote request-reason">{checkout.reason}</p> : null}
      <Facts
        of={[
          ["Requested by", checkout.requester_name],
          checkout.granted_by ? ["Given without a request by", checkout.granted_by] : null,
          ["Target", checkout.target_name],
          ["Account", checkout.account_name],
          ["Asked for", askedOf(checkout)],
          ["Ticket", checkout.ticket],
          ["Requested", <Moment key="at" at={checkout.requested_at} />],
          window
            ? ["Time frame", <span key="w"><Moment at={window.starts_at} /> – <Moment at={window.ends_at} /></span>]
            : ["Requested for", wordsOf(checkout.duration)],
          checkout.approver ? ["Asked of", checkout.approver] : null,
          grant ? ["Opens", <Moment key="from" at={grant.starts_at} />] : null,
          grant ? ["Ends", <Moment key="to" at={grant.ends_at} />] : null,
          ["Policy", checkout.policy],
          ["Recording", checkout.terms.recording === "off" ? "Off" : "On"],
          checkout.terms.exclusive ? ["Exclusive", "One holder at a time"] : null,
        ]}
      />
      {checkout.votes.length > 0 ? (
        <div className="votes">
          {checkout.votes.map((vote) => (
            <Text key={`${vote.name}${vote.at}`} size="sm">
              <b>{vote.name}</b> approved for {wordsOf(vote.duration)}, <Moment at={vote.at} />
              {vote.message ? <>: {sentence(vote.message)}</> : null}
            </Text>
          ))}
        </div>
      ) : null}
    </section>
  );
}

/** What others than its holder may do to end it. */
function Ending({ checkout }: { checkout: Checkout }) {
  const [dialog, setDialog] = useState<"revoke" | "check-in">();
  const may = useIs("approver", "admin");
  const over = endOf(checkout) !== undefined;
  if (over) {
    return checkout.mine ? (
      <Button component={Link} to={`/request/${checkout.target_name}`} variant="light">
        Ask again
      </Button>
    ) : null;
  }
  const granted = checkout.status !== "requested";
  if (!may || !checkout.may_revoke || !granted || checkout.mine) return null;
  return (
    <>
      <Button variant="default" onClick={() => setDialog("check-in")}>
        Check in by force
      </Button>
      <Button color="red.8" onClick={() => setDialog("revoke")}>
        Revoke
      </Button>
      <RevokeDialog checkout={checkout} opened={dialog === "revoke"} onClose={() => setDialog(undefined)} />
      <CheckInDialog checkout={checkout} opened={dialog === "check-in"} onClose={() => setDialog(undefined)} />
    </>
  );
}
