// Adding a user, changing one, setting a first password.

import { Checkbox, Group, MultiSelect, PasswordInput, TextInput } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { useGroups } from "../api/queries";
import type { Role, User } from "../api/types";
import { FormDialog } from "../parts/FormDialog";

const ROLES: { value: Role; label: string }[] = [
  { value: "requester", label: "Requester: asks and connects" },
  { value: "approver", label: "Approver: answers, revokes, closes" },
  { value: "auditor", label: "Auditor: reads everything" },
  { value: "admin", label: "Admin: sets up everything" },
];

export function UserForm({ user, onClose }: { user?: User; onClose: () => void }) {
  const groups = useGroups();
  const [name, setName] = useState(user?.name ?? "");
  const [fullName, setFullName] = useState(user?.full_name ?? "");
  const [email, setEmail] = useState(user?.email ?? "");
  const [roles, setRoles] = useState<string[]>(user ? [...user.roles] : ["requester"]);
  const [member, setMember] = useState<string[]>(user ? [...user.groups] : []);
  const [password, setPassword] = useState("");
  const body = { full_name: fullName, email: email || null, roles, groups: member };
  const save = useAction(
    () =>
      user
        ? told(api.PATCH("/api/v1/users/{name}", { params: { path: { name: user.name } }, body: body as never }))
        : told(api.POST("/api/v1/users", { body: { name, ...body, ...(password ? { password } : {}) } as never })),
    ["user", "group", "me"],
  );
  return (
    <FormDialog title={user ? `Change ${user.name}` : "Add a user"} verb={user ? "Save" : "Add them"} onClose={onClose} run={() => save.mutateAsync(undefined)}>
      {(wrong) => (
        <>
          {user ? null : (
            <TextInput label="User name" value={name} onChange={(event) => setName(event.currentTarget.value)} error={wrong("name")} autoComplete="off" required data-autofocus />
          )}
          <TextInput label="Name" value={fullName} onChange={(event) => setFullName(event.currentTarget.value)} error={wrong("full_name")} autoComplete="off" />
          <TextInput label="E-mail" type="email" value={email} onChange={(event) => setEmail(event.currentTarget.value)} error={wrong("email")} autoComplete="off" />
          <Checkbox.Group label="Roles" value={roles} onChange={setRoles} error={wrong("roles")}>
            <Group mt="xs" gap="sm">
              {ROLES.map((role) => (
                <Checkbox key={role.value} value={role.value} label={role.label} />
              ))}
            </Group>
          </Checkbox.Group>
          <MultiSelect label="Groups" data={(groups.data?.items ?? []).map((group) => group.name)} value={member} onChange={setMember} error={wrong("groups")} searchable />
          {user ? null : (
            <PasswordInput
              label="A first password"
              description="Left empty, they cannot sign in until they have one"
              value={password}
              onChange={(event) => setPassword(event.currentTarget.value)}
              error={wrong("password")}
              autoComplete="new-password"
              visibilityToggleButtonProps={{ "aria-label": "Show the password" }}
            />
          )}
        </>
      )}
    </FormDialog>
  );
}

export function PasswordForm({ user, onClose }: { user: User; onClose: () => void }) {
  const [password, setPassword] = useState("");
  const save = useAction(
    () => told(api.PUT("/api/v1/users/{name}/password", { params: { path: { name: user.name } }, body: { new: password } })),
    ["user"],
  );
  return (
    <FormDialog title={`A new password for ${user.name}`} verb="Set it" onClose={onClose} run={() => save.mutateAsync(undefined)}>
      {(wrong) => (
        <PasswordInput
          label="Password"
          description="Whoever is signed in with the old one is not any more"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          error={wrong("new")}
          autoComplete="new-password"
          required
          data-autofocus
          visibilityToggleButtonProps={{ "aria-label": "Show the password" }}
        />
      )}
    </FormDialog>
  );
}
