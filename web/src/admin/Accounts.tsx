// The accounts: who people become on targets. Their secrets are set here and never read.

import { Button } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { useAccounts } from "../api/queries";
import type { Account } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { Icon } from "../parts/Icon";
import { RowMenu } from "../parts/RowMenu";
import { Head, Nothing, Shown } from "../parts/State";
import { Flag } from "../parts/Status";
import { type Column, Table } from "../parts/Table";
import { useIs } from "../shell/me";
import { useTitle } from "../shell/title";
import { AccountForm, SecretForm } from "./AccountForm";

const KINDS: Record<string, string> = {
  password: "password",
  "ssh-key": "SSH key",
  "ssh-ca": "a certificate for each session",
  "client-certificate": "client certificate",
};

export function Accounts() {
  useTitle("Accounts");
  const accounts = useAccounts();
  const admin = useIs("admin");
  const [adding, setAdding] = useState(false);
  const [secret, setSecret] = useState<Account>();
  const [removing, setRemoving] = useState<Account>();
  const remove = useAction(
    (id: string) => told(api.DELETE("/api/v1/accounts/{id}", { params: { path: { id } } })),
    ["account", "target", "checkout", "session"],
  );
  const columns: Column<Account>[] = [
    { id: "name", header: "Account", cell: (row) => row.name },
    { id: "targets", header: "On", cell: (row) => row.targets.join(", ") || "no target" },
    { id: "login", header: "Signs in as", cell: (row) => <span className="code">{row.login}</span> },
    { id: "secret", header: "Secret", cell: (row) => (row.secret ? (KINDS[row.secret] ?? row.secret) : <Flag says="none yet" color="yellow" />) },
    { id: "policy", header: "Policy", cell: (row) => row.policy ?? "the target's" },
    { id: "description", header: "Description", minor: true, cell: (row) => row.description },
    {
      id: "acts",
      header: "",
      cell: (row) =>
        admin ? (
          <RowMenu
            of={row.name}
            acts={[
              { says: row.secret ? "Replace the secret" : "Set the secret", sign: "key", run: () => setSecret(row) },
              { says: "Remove", sign: "cross", danger: true, run: () => setRemoving(row) },
            ]}
          />
        ) : null,
    },
  ];
  const add = (
    <Button leftSection={<Icon sign="plus" size={16} />} onClick={() => setAdding(true)}>
      Add an account
    </Button>
  );
  return (
    <>
      <Head title="Accounts" says="Who people become on targets. Secrets can be set, never read.">
        {admin ? add : null}
      </Head>
      <Shown of={accounts}>
        {({ items }) =>
          items.length > 0 ? (
            <Table label="Accounts" columns={columns} rows={items} rowId={(row) => row.id} />
          ) : (
            <Nothing sign="key" title="There is no account yet">
              Without one on it a target opens for nobody.
            </Nothing>
          )
        }
      </Shown>
      {adding ? <AccountForm onClose={() => setAdding(false)} /> : null}
      {secret ? <SecretForm account={secret} onClose={() => setSecret(undefined)} /> : null}
      <Confirm
        opened={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title={`Remove ${removing?.name}?`}
        verb="Remove it"
        danger
        run={() => remove.mutateAsync(removing?.id ?? "")}
      >
        Every check-out of it ends now, with the sessions under it, and its secret is destroyed.
      </Confirm>
    </>
  );
}
