// The targets: entered, changed, switched off, removed.

import { Button } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { useTargets } from "../api/queries";
import type { Target } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { Icon } from "../parts/Icon";
import { RowMenu } from "../parts/RowMenu";
import { Failed, Head, Nothing, Shown } from "../parts/State";
import { Flag } from "../parts/Status";
import { type Column, Table } from "../parts/Table";
import { useIs } from "../shell/me";
import { useTitle } from "../shell/title";
import { TargetForm } from "./TargetForm";
import { identityOf } from "./identity";

const NOUNS = ["target", "account", "checkout", "session"];

export function Targets() {
  useTitle("Targets");
  const targets = useTargets();
  const admin = useIs("admin");
  const [editing, setEditing] = useState<Target | "new">();
  const [removing, setRemoving] = useState<Target>();
  const change = useAction(
    ({ name, disabled }: { name: string; disabled: boolean }) =>
      told(api.PATCH("/api/v1/targets/{name}", { params: { path: { name } }, body: { disabled } })),
    NOUNS,
  );
  const remove = useAction(
    (name: string) => told(api.DELETE("/api/v1/targets/{name}", { params: { path: { name } } })),
    NOUNS,
  );
  const columns: Column<Target>[] = [
    { id: "name", header: "Target", cell: (row) => row.name },
    { id: "protocol", header: "Speaks", cell: (row) => row.protocol.toUpperCase() },
    { id: "address", header: "Address", cell: (row) => <span className="code">{row.address}</span> },
    { id: "accounts", header: "Accounts", cell: (row) => row.accounts.map((account) => account.name).join(", ") || "none yet" },
    { id: "policy", header: "Policy", cell: (row) => row.policy ?? "the default" },
    {
      id: "pins",
      header: "Identity",
      cell: (row) => {
        const { says, open } = identityOf(row);
        return open ? says : <Flag says={says} color="yellow" />;
      },
    },
    { id: "state", header: "State", cell: (row) => (row.disabled ? <Flag says="off" color="gray" /> : "on") },
    {
      id: "acts",
      header: "",
      cell: (row) =>
        admin ? (
          <RowMenu
            of={row.name}
            acts={[
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
      Add a target
    </Button>
  );
  return (
    <>
      <Head title="Targets" says="What people reach through the gateway">
        {admin ? (
          <Button component={Link} to="/setup" variant="default">
            Step by step
          </Button>
        ) : null}
        {admin ? add : null}
      </Head>
      <Failed error={change.error} />
      <Shown of={targets}>
        {({ items }) =>
          items.length > 0 ? (
            <Table label="Targets" columns={columns} rows={items} rowId={(row) => row.id} />
          ) : (
            <Nothing sign="server" title="There is no target yet">
              Add one, then an account on it. {admin ? add : null}
            </Nothing>
          )
        }
      </Shown>
      {editing ? <TargetForm {...(editing === "new" ? {} : { target: editing })} onClose={() => setEditing(undefined)} /> : null}
      <Confirm
        opened={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title={`Remove ${removing?.name}?`}
        verb="Remove it"
        danger
        run={() => remove.mutateAsync(removing?.name ?? "")}
      >
        Every check-out of it ends now, with the sessions under it. What was recorded and written down stays.
      </Confirm>
    </>
  );
}
