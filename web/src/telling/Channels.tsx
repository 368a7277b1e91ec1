// The ways on which people are told: entered, tried, switched off; and what went there.

import { Alert, Button, Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { useChannels } from "../api/queries";
import type { Channel, Delivery } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { CopyLine } from "../parts/Copy";
import { Icon } from "../parts/Icon";
import { Moment } from "../parts/Moment";
import { RowMenu } from "../parts/RowMenu";
import { Failed, Head, Nothing, Shown } from "../parts/State";
import { Flag } from "../parts/Status";
import { type Column, Table } from "../parts/Table";
import { useIs } from "../shell/me";
import { useTitle } from "../shell/title";
import { sentence } from "../text/words";
import { ChannelForm } from "./ChannelForm";
import { Deliveries } from "./Deliveries";
import { Trial } from "./Trial";
import { kindSays, leadsTo, standing, takes } from "./words";

const NOUNS = ["channel", "delivery"];

export function Channels() {
  useTitle("Notices");
  const channels = useChannels();
  const admin = useIs("admin");
  const [editing, setEditing] = useState<Channel | "new">();
  const [removing, setRemoving] = useState<Channel>();
  const [made, setMade] = useState<Channel>();
  const [trial, setTrial] = useState<Delivery>();
  const named = (name: string) => ({ params: { path: { name } } });
  const change = useAction(
    ({ name, disabled }: { name: string; disabled: boolean }) => told(api.PATCH("/api/v1/channels/{name}", { ...named(name), body: { disabled } })),
    NOUNS,
  );
  const remove = useAction((name: string) => told(api.DELETE("/api/v1/channels/{name}", named(name))), NOUNS);
  const test = useAction((name: string) => told<Delivery>(api.POST("/api/v1/channels/{name}/test", named(name))), NOUNS);
  const columns: Column<Channel>[] = [
    { id: "name", header: "Channel", cell: (row) => row.name },
    { id: "kind", header: "Kind", cell: (row) => kindSays(row.kind) },
    { id: "to", header: "Leads to", cell: (row) => <span className="code">{leadsTo(row)}</span> },
    { id: "what", header: "What goes there", minor: true, cell: (row) => sentence(takes(row)) },
    {
      id: "state",
      header: "How it does",
      cell: (row) => (
        <>
          <Flag {...standing(row)} />
          {row.error && !row.disabled && (row.failing > 0 || row.dead > 0) ? (
            <Text size="xs" c="dimmed" className="why">
              {sentence(row.error)}
            </Text>
          ) : null}
        </>
      ),
    },
    { id: "last", header: "Last delivered", minor: true, cell: (row) => <Moment at={row.delivered_at} /> },
    {
      id: "acts",
      header: "",
      cell: (row) =>
        admin ? (
          <RowMenu
            of={row.name}
            acts={[
              { says: "Send a test", sign: "play", run: () => test.mutate(row.name, { onSuccess: setTrial }) },
              { says: "Change", sign: "gear", run: () => setEditing(row) },
              {
                says: row.disabled ? "Switch on" : "Switch off",
                sign: row.disabled ? "check" : "stop",
                run: () => change.mutate({ name: row.name, disabled: !row.disabled }),
              },
              { says: "Remove", sign: "cross", danger: true, run: () => setRemoving(row) },
            ]}
          />
        ) : null,
    },
  ];
  const add = (
    <Button leftSection={<Icon sign="plus" size={16} />} onClick={() => setEditing("new")}>
      Add a channel
    </Button>
  );
  return (
    <>
      <Head title="Notices" says="How people hear of requests, answers and ends">
        {admin ? add : null}
      </Head>
      <Failed error={change.error ?? test.error} />
      {trial ? <Trial delivery={trial} onClose={() => setTrial(undefined)} /> : null}
      <Shown of={channels}>
        {({ items }) =>
          items.length > 0 ? (
            <Table label="Channels" columns={columns} rows={items} rowId={(row) => row.id} />
          ) : (
            <Nothing sign="send" title="Nobody is told anything yet">
              Without a channel, requests wait until an approver looks here.
            </Nothing>
          )
        }
      </Shown>
      <Deliveries />
      {editing ? (
        <ChannelForm {...(editing === "new" ? {} : { channel: editing })} onMade={setMade} onClose={() => setEditing(undefined)} />
      ) : null}
      {made?.secret ? <Secret of={made} onClose={() => setMade(undefined)} /> : null}
      <Confirm
        opened={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title={`Remove ${removing?.name}?`}
        verb="Remove it"
        danger
        run={() => remove.mutateAsync(removing?.name ?? "")}
      >
        {removing?.waiting ? `${removing.waiting} on their way there are not sent any more. ` : ""}What went there is forgotten as well; the audit log keeps what was decided.
      </Confirm>
    </>
  );
}

function Secret({ of, onClose }: { of: Channel; onClose: () => void }) {
  return (
    <Modal opened onClose={onClose} title={`What ${of.name} signs with`} centered radius="md" closeButtonProps={{ "aria-label": "Close" }}>
      <Stack>
        <Alert color="yellow" variant="light" icon={<Icon sign="warn" />} className="failed">
          <Text size="sm">This is shown once. Whoever receives the webhook verifies with it that it comes from here.</Text>
        </Alert>
        <CopyLine text={of.secret ?? ""} label="The secret" />
        <Button onClick={onClose}>I have put it away</Button>
      </Stack>
    </Modal>
  );
}
