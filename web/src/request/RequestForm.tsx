// What the policy of an account wants to know, and nothing else. What is wrong is said while it
// is typed; the gateway decides all the same.

import { Alert, Button, Group, SegmentedControl, Select, Stack, Text, TextInput, Textarea } from "@mantine/core";
import { useState } from "react";
import { useNavigate } from "react-router";

import { useRequest } from "../api/actions";
import { Failure } from "../api/client";
import type { AccountForm, NewCheckout, Target } from "../api/types";
import { Icon } from "../parts/Icon";
import { Failed } from "../parts/State";
import { fromLocal, toLocal } from "../text/time";
import { wordsOf } from "../text/span";
import { DurationField } from "./DurationField";
import { WhoIsAsked } from "./WhoIsAsked";
import { needsOf, ticketFits } from "./needs";

export function RequestForm({ target }: { target: Target }) {
  const accounts = target.accounts.filter((account) => account.may_ask);
  const [name, setName] = useState(accounts[0]?.name ?? "");
  const account = accounts.find((one) => one.name === name) ?? accounts[0];
  if (!account) return <Alert color="yellow">You may not ask for anything on {target.name}.</Alert>;
  return (
    <Stack gap="lg">
      {accounts.length > 1 ? (
        <Select
          label="Account"
          description="Whom you are on the target"
          data={accounts.map((one) => one.name)}
          value={account.name}
          onChange={(chosen) => setName(chosen ?? account.name)}
        />
      ) : (
        <Text size="sm">
          You get in as <b>{account.name}</b>. The gateway puts its secret in; you never see it.
        </Text>
      )}
      <Fields key={account.id} target={target} account={account} />
    </Stack>
  );
}

function Fields({ target, account }: { target: Target; account: AccountForm }) {
  const navigate = useNavigate();
  const request = useRequest();
  const [asked, setAsked] = useState("use");
  const [framed, setFramed] = useState("now");
  const [duration, setDuration] = useState(account.default_duration);
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const [reason, setReason] = useState("");
  const [ticket, setTicket] = useState("");
  const [approver, setApprover] = useState<string | null>(null);
  const [tried, setTried] = useState(false);

  const needs = needsOf(account, { asked, framed, duration, from, to, reason, ticket });
  const wrong = (field: string) => {
    const told = request.error instanceof Failure ? request.error.fields[field] : undefined;
    return told ?? (tried ? needs[field] : undefined);
  };
  const badTicket = ticket && !ticketFits(account, ticket) ? `This does not look like ${account.ticket_pattern}.` : undefined;

  const send = () => {
    setTried(true);
    if (Object.keys(needs).length > 0) return;
    const window = framed === "window" ? { starts_at: fromLocal(from) ?? "", ends_at: fromLocal(to) ?? "" } : null;
    const body: NewCheckout = {
      target: target.name,
      account: account.name,
      asked: asked === "use" || asked === "reveal" ? asked : { set: asked },
      reason: reason.trim(),
      ticket: ticket.trim() || null,
      duration: window ? null : duration,
      window,
      approver,
    };
    request.mutate(body, { onSuccess: (checkout) => void navigate(`/checkouts/${checkout.code}`) });
  };
  const uses = [
    { value: "use", label: "Work there" },
    ...account.permission_sets.map((set) => ({ value: set, label: set })),
    ...(account.reveal ? [{ value: "reveal", label: "See the secret" }] : []),
  ];

  return (
    <form
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <Stack gap="lg">
      {uses.length > 1 ? (
        <Select label="What for" data={uses} value={asked} onChange={(chosen) => setAsked(chosen ?? "use")} />
      ) : null}
      {account.custom_window ? (
        <SegmentedControl
          aria-label="When"
          data={[
            { value: "now", label: "As soon as it is approved" },
            { value: "window", label: "In a time frame" },
          ]}
          value={framed}
          onChange={(chosen) => {
            setFramed(chosen);
            if (!from) {
              const next = new Date(Math.ceil(Date.now() / 3_600_000) * 3_600_000);
              setFrom(toLocal(next));
              setTo(toLocal(new Date(next.getTime() + 3_600_000)));
            }
          }}
        />
      ) : null}
      {framed === "window" ? (
        <Group grow align="flex-start">
          <TextInput
            type="datetime-local"
            label="From"
            value={from}
            onChange={(event) => setFrom(event.currentTarget.value)}
            error={wrong("from")}
          />
          <TextInput
            type="datetime-local"
            label="To"
            value={to}
            onChange={(event) => setTo(event.currentTarget.value)}
            error={wrong("to")}
          />
        </Group>
      ) : (
        <DurationField
          label="For how long"
          value={duration}
          onChange={setDuration}
          presets={account.duration_presets}
          hint={`At most ${wordsOf(account.maximum_duration)}. The time begins when it is approved.`}
          error={wrong("duration")}
        />
      )}
      {account.ticket === "none" ? null : (
        <TextInput
          label="Ticket"
          description={account.ticket === "optional" ? "If there is one" : undefined}
          placeholder={account.ticket_pattern ? undefined : "CHG0012345"}
          value={ticket}
          onChange={(event) => setTicket(event.currentTarget.value)}
          error={badTicket ?? wrong("ticket")}
          rightSection={ticket && !badTicket && account.ticket_pattern ? <Icon sign="check" size={16} /> : null}
          autoCapitalize="characters"
          spellCheck={false}
          required={account.ticket === "required"}
        />
      )}
      {account.reason === "none" ? null : (
        <Textarea
          label="Reason"
          description={account.reason === "optional" ? "If you like" : "What you need it for; the approver reads this"}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          error={wrong("reason")}
          autosize
          minRows={2}
          maxRows={8}
          required={account.reason === "required"}
        />
      )}
      <WhoIsAsked account={account} approver={approver} onChoose={setApprover} />
      <Failed error={request.error} />
      <Group>
        <Button type="submit" loading={request.isPending} size="md">
          {account.votes_needed === 0 ? "Open it" : "Ask for it"}
        </Button>
      </Group>
      </Stack>
    </form>
  );
}
