// The groups that policies name: who asks and who answers.

import { Button, MultiSelect, TextInput } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { useGroups, useUsers } from "../api/queries";
import type { Group } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { FormDialog } from "../parts/FormDialog";
import { Icon } from "../parts/Icon";
import { RowMenu } from "../parts/RowMenu";
import { Head, Nothing, Shown } from "../parts/State";
import { type Column, Table } from "../parts/Table";
import { useIs } from "../shell/me";
import { useTitle } from "../shell/title";

const NOUNS = ["group", "user", "target"];

export function Groups() {
  useTitle("Groups");
  const groups = useGroups();
  const admin = useIs("admin");
  const [editing, setEditing] = useState<Group | "new">();
  const [removing, setRemoving] = useState<Group>();
  const remove = useAction((name: string) => told(api.DELETE("/api/v1/groups/{name}", { params: { path: { name } } })), NOUNS);
  const columns: Column<Group>[] = [
    { id: "name", header: "Group", cell: (row) => row.name },
    { id: "members", header: "Members", cell: (row) => row.members.join(", ") || "nobody" },
    { id: "description", header: "Description", cell: (row) => row.description },
    {
      id: "acts",
      header: "",
      cell: (row) =>
        admin ? (
          <RowMenu
            of={row.name}
            acts={[
              { says: "Change", sign: "gear", run: () => setEditing(row) },
              { says: "Remove", sign: "cross", danger: true, run: () => setRemoving(row) },
            ]}
          />
        ) : null,
    },
  ];
  return (
    <>
      <Head title="Groups" says="Policies name them: who may ask, who must agree">
        {admin ? (
          <Button leftSection={<Icon sign="plus" size={16} />} onClick={() => setEditing("new")}>
            Add a group
          </Button>
        ) : null}
      </Head>
      <Shown of={groups}>
        {({ items }) =>
          items.length > 0 ? (
            <Table label="Groups" columns={columns} rows={items} rowId={(row) => row.id} />
          ) : (
            <Nothing sign="users" title="There is no group yet">
              Without one a policy speaks of every requester and every approver.
            </Nothing>
          )
        }
      </Shown>
      {editing ? <GroupForm {...(editing === "new" ? {} : { group: editing })} onClose={() => setEditing(undefined)} /> : null}
      <Confirm
        opened={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title={`Remove the group ${removing?.name}?`}
        verb="Remove it"
        danger
        run={() => remove.mutateAsync(removing?.name ?? "")}
      >
        Its members stay. A group that a policy names cannot be removed.
      </Confirm>
    </>
  );
}

function GroupForm({ group, onClose }: { group?: Group; onClose: () => void }) {
  const users = useUsers();
  const [name, setName] = useState(group?.name ?? "");
  const [description, setDescription] = useState(group?.description ?? "");
  const [members, setMembers] = useState<string[]>(group ? [...group.members] : []);
  const save = useAction(
    () =>
      group
        ? told(api.PATCH("/api/v1/groups/{name}", { params: { path: { name: group.name } }, body: { description, members } }))
        : told(api.POST("/api/v1/groups", { body: { name, description, members } })),
    NOUNS,
  );
  return (
    <FormDialog title={group ? `Change ${group.name}` : "Add a group"} verb={group ? "Save" : "Add it"} onClose={onClose} run={() => save.mutateAsync(undefined)}>
      {(wrong) => (
        <>
          {group ? null : (
            <TextInput label="Name" value={name} onChange={(event) => setName(event.currentTarget.value)} error={wrong("name")} required data-autofocus />
          )}
          <TextInput label="Description" value={description} onChange={(event) => setDescription(event.currentTarget.value)} />
          <MultiSelect
            label="Members"
            data={(users.data?.items ?? []).map((user) => user.name)}
            value={members}
            onChange={setMembers}
            error={wrong("members")}
            searchable
          />
        </>
      )}
    </FormDialog>
  );
}
