// The people: added, given roles and groups, disabled.

import { Button } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { useUsers } from "../api/queries";
import type { User } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { Icon } from "../parts/Icon";
import { RowMenu } from "../parts/RowMenu";
import { Failed, Head, Shown } from "../parts/State";
import { Flag } from "../parts/Status";
import { type Column, Table } from "../parts/Table";
import { useIs } from "../shell/me";
import { useTitle } from "../shell/title";
import { PasswordForm, UserForm } from "./UserForm";
import { UserSignIn } from "./UserSignIn";

const NOUNS = ["user", "group", "checkout", "session"];

export function Users() {
  useTitle("Users");
  const users = useUsers();
  const admin = useIs("admin");
  const [editing, setEditing] = useState<User | "new">();
  const [password, setPassword] = useState<User>();
  const [signing, setSigning] = useState<User>();
  const [disabling, setDisabling] = useState<User>();
  const named = (name: string) => ({ params: { path: { name } } });
  const disable = useAction((name: string) => told(api.POST("/api/v1/users/{name}/disable", named(name))), NOUNS);
  const enable = useAction((name: string) => told(api.POST("/api/v1/users/{name}/enable", named(name))), NOUNS);
  const columns: Column<User>[] = [
    { id: "name", header: "User", cell: (row) => row.name },
    { id: "full", header: "Name", cell: (row) => row.full_name },
    { id: "roles", header: "Roles", cell: (row) => row.roles.join(", ") || "none" },
    { id: "groups", header: "Groups", cell: (row) => row.groups.join(", ") },
    { id: "email", header: "E-mail", minor: true, cell: (row) => row.email ?? "" },
    { id: "state", header: "State", cell: (row) => (row.disabled ? <Flag says="disabled" color="red" /> : "active") },
    {
      id: "acts",
      header: "",
      cell: (row) =>
        admin ? (
          <RowMenu
            of={row.name}
            acts={[
              { says: "Change", sign: "gear", run: () => setEditing(row) },
              { says: "How they sign in", sign: "shield", run: () => setSigning(row) },
              { says: "Set a password", sign: "key", run: () => setPassword(row) },
              row.disabled
                ? { says: "Enable", sign: "check", run: () => enable.mutate(row.name) }
                : { says: "Disable", sign: "stop", danger: true, run: () => setDisabling(row) },
            ]}
          />
        ) : null,
    },
  ];
  return (
    <>
      <Head title="Users" says="Who there is, and what they are">
        {admin ? (
          <Button leftSection={<Icon sign="plus" size={16} />} onClick={() => setEditing("new")}>
            Add a user
          </Button>
        ) : null}
      </Head>
      <Failed error={enable.error} />
      <Shown of={users}>
        {({ items }) => <Table label="Users" columns={columns} rows={items} rowId={(row) => row.id} />}
      </Shown>
      {editing ? <UserForm {...(editing === "new" ? {} : { user: editing })} onClose={() => setEditing(undefined)} /> : null}
      {password ? <PasswordForm user={password} onClose={() => setPassword(undefined)} /> : null}
      {signing ? <UserSignIn user={signing} onClose={() => setSigning(undefined)} /> : null}
      <Confirm
        opened={disabling !== undefined}
        onClose={() => setDisabling(undefined)}
        title={`Disable ${disabling?.name}?`}
        verb="Disable and end"
        danger
        run={() => disable.mutateAsync(disabling?.name ?? "")}
      >
        Everything of theirs ends now: check-outs, live sessions, sign-ins and tokens. What they did stays written down.
      </Confirm>
    </>
  );
}
