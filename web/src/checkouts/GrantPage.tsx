// A check-out that nobody asked for: an approver gives it, where the policy lets them.

import { Autocomplete, Button, Group, Stack, Text, TextInput, Textarea } from "@mantine/core";
import { useState } from "react";
import { useNavigate } from "react-router";

import { useAction } from "../api/actions";
import { api, Failure, told } from "../api/client";
import { useTargets, useUsers } from "../api/queries";
import type { Checkout } from "../api/types";
import { Failed, Head } from "../parts/State";
import { DurationField } from "../request/DurationField";
import { useIs } from "../shell/me";
import { useTitle } from "../shell/title";

const PRESETS = ["30m", "1h", "4h"];

export function GrantPage() {
  useTitle("Give access");
  const navigate = useNavigate();
  const reads = useIs("auditor", "admin");
  const users = useUsers({ enabled: reads });
  const targets = useTargets();
  const [user, setUser] = useState("");
  const [target, setTarget] = useState("");
  const [account, setAccount] = useState("");
  const [duration, setDuration] = useState("1h");
  const [reason, setReason] = useState("");
  const [ticket, setTicket] = useState("");
  const grant = useAction(() =>
    told<Checkout>(
      api.POST("/api/v1/checkouts/grant", {
        body: { user: user.trim(), target: target.trim(), account: account.trim() || null, duration, reason: reason.trim(), ticket: ticket.trim() || null },
      }),
    ),
  );
  const wrong = (field: string) => (grant.error instanceof Failure ? grant.error.fields[field] : undefined);
  const people = (users.data?.items ?? []).filter((one) => !one.disabled && one.roles.includes("requester")).map((one) => one.name);
  const places = targets.data?.items ?? [];
  const accounts = places.find((one) => one.name === target)?.accounts.map((one) => one.name) ?? [];
  return (
    <>
      <Head title="Give access" says="A check-out that nobody asked for" />
      <div className="card">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            grant.mutate(undefined, { onSuccess: ({ code }) => void navigate(`/checkouts/${code}`) });
          }}
        >
          <Stack gap="lg" maw={640}>
            <Text size="sm">
              Where the policy lets approvers give what nobody asked for, your word counts as the first approval. The rules for the
              ticket, the reason and the duration are those of a request.
            </Text>
            <Autocomplete label="To whom" description="A user who may ask" data={people} value={user} onChange={setUser} error={wrong("user")} required autoComplete="off" />
            <Autocomplete label="Target" data={places.map((one) => one.name)} value={target} onChange={setTarget} error={wrong("target")} required autoComplete="off" />
            <Autocomplete
              label="Account"
              description="Where the target has several"
              data={accounts}
              value={account}
              onChange={setAccount}
              error={wrong("account")}
              autoComplete="off"
            />
            <DurationField label="For how long" value={duration} onChange={setDuration} presets={PRESETS} hint="It begins at once." error={wrong("duration")} />
            <TextInput label="Ticket" value={ticket} onChange={(event) => setTicket(event.currentTarget.value)} error={wrong("ticket")} spellCheck={false} />
            <Textarea
              label="Reason"
              description="They read it, and so does whoever looks at it later"
              value={reason}
              onChange={(event) => setReason(event.currentTarget.value)}
              error={wrong("reason")}
              autosize
              minRows={2}
              maxRows={8}
            />
            <Failed error={grant.error} />
            <Group>
              <Button type="submit" loading={grant.isPending} size="md">
                Give it
              </Button>
            </Group>
          </Stack>
        </form>
      </div>
    </>
  );
}
