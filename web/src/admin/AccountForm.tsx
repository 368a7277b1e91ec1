// Entering an account, and setting its secret. What is typed here is sealed by the gateway and
// comes back to nobody.

import { MultiSelect, PasswordInput, Select, Text, TextInput, Textarea } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { usePolicies, useTargets } from "../api/queries";
import type { Account } from "../api/types";
import { FormDialog } from "../parts/FormDialog";

const KINDS = [
  { value: "password", label: "A password" },
  { value: "ssh-key", label: "An SSH private key" },
  { value: "ssh-ca", label: "None: a certificate for each session (SSH)" },
  { value: "client-certificate", label: "A client certificate with its key (web)" },
];

export function useSecret() {
  const [kind, setKind] = useState("password");
  const [value, setValue] = useState("");
  const [passphrase, setPassphrase] = useState("");
  const given = { kind, ...(kind === "ssh-ca" ? {} : { value }), ...(kind === "ssh-key" && passphrase ? { passphrase } : {}) };
  const fields = (wrong: (field: string) => string | undefined) => (
    <>
      <Select label="Secret" data={KINDS} value={kind} onChange={(chosen) => setKind(chosen ?? "password")} />
      {kind === "password" ? (
        <PasswordInput
          label="Password"
          value={value}
          onChange={(event) => setValue(event.currentTarget.value)}
          autoComplete="new-password"
          error={wrong("value") ?? wrong("secret.value")}
          visibilityToggleButtonProps={{ "aria-label": "Show the password" }}
        />
      ) : kind === "ssh-ca" ? (
        <Text size="sm" c="dimmed">
          The target has to trust the gateway's user authority: <span className="code">doorward ssh-ca</span>
        </Text>
      ) : (
        <>
          <Textarea
            label="In PEM"
            value={value}
            onChange={(event) => setValue(event.currentTarget.value)}
            error={wrong("value") ?? wrong("secret.value")}
            autosize
            minRows={4}
            maxRows={10}
            spellCheck={false}
            autoComplete="off"
            classNames={{ input: "mono" }}
          />
          {kind === "ssh-key" ? (
            <PasswordInput
              label="Its passphrase"
              description="If it is encrypted"
              value={passphrase}
              onChange={(event) => setPassphrase(event.currentTarget.value)}
              autoComplete="new-password"
              visibilityToggleButtonProps={{ "aria-label": "Show the passphrase" }}
            />
          ) : null}
        </>
      )}
    </>
  );
  return { given, empty: kind !== "ssh-ca" && !value, fields };
}

export function AccountForm({ onClose }: { onClose: () => void }) {
  const targets = useTargets();
  const policies = usePolicies();
  const [name, setName] = useState("");
  const [login, setLogin] = useState("");
  const [on, setOn] = useState<string[]>([]);
  const [policy, setPolicy] = useState<string | null>("");
  const secret = useSecret();
  const body = {
    name,
    login: login || null,
    targets: on,
    policy: policy || null,
    ...(secret.empty ? {} : { secret: secret.given }),
  };
  const save = useAction(() => told(api.POST("/api/v1/accounts", { body: body as never })), ["account", "target"]);
  return (
    <FormDialog title="Add an account" verb="Add it" onClose={onClose} run={() => save.mutateAsync(undefined)}>
      {(wrong) => (
        <>
          <TextInput
            label="Name"
            placeholder="root"
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={wrong("name")}
            required
            data-autofocus
          />
          <MultiSelect
            label="On these targets"
            data={(targets.data?.items ?? []).map((target) => target.name)}
            value={on}
            onChange={setOn}
            error={wrong("targets")}
            searchable
          />
          <TextInput
            label="Signs in there as"
            description="Left empty, by its name"
            value={login}
            onChange={(event) => setLogin(event.currentTarget.value)}
            error={wrong("login")}
          />
          {secret.fields(wrong)}
          <Select
            label="Policy"
            data={[{ value: "", label: "The target's" }, ...(policies.data?.items ?? []).map((one) => one.name)]}
            value={policy}
            onChange={setPolicy}
          />
        </>
      )}
    </FormDialog>
  );
}

export function SecretForm({ account, onClose }: { account: Account; onClose: () => void }) {
  const secret = useSecret();
  const save = useAction(
    () =>
      told(api.PUT("/api/v1/accounts/{id}/secret", { params: { path: { id: account.id } }, body: secret.given as never })),
    ["account"],
  );
  return (
    <FormDialog title={`The secret of ${account.name}`} verb="Seal it" onClose={onClose} run={() => save.mutateAsync(undefined)}>
      {(wrong) => secret.fields(wrong)}
    </FormDialog>
  );
}
