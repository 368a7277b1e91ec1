// From nothing to a target that somebody can ask for, step by step. Each step is done when it is
// sent, so that whoever comes back later goes on where they were.

import { Anchor, Button, Group, PasswordInput, Stack, Stepper, Text, TextInput, Textarea } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { useState } from "react";
import { Link } from "react-router";

import { useAction } from "../api/actions";
import { api, Failure, told } from "../api/client";
import { useTargets, useUsers } from "../api/queries";
import type { Target, User } from "../api/types";
import { useSecret } from "../admin/AccountForm";
import { CopyLine } from "../parts/Copy";
import { Failed, Head, Nothing, Shown } from "../parts/State";
import { useIs, useWho } from "../shell/me";
import { useTitle } from "../shell/title";
import { sshLine } from "../text/ssh";
import { anyOf } from "../text/words";

export function SetupPage() {
  useTitle("Set up a target");
  const admin = useIs("admin");
  const targets = useTargets();
  const [name, setName] = useState<string>();
  if (!admin) return <Nothing sign="gear" title="Only an admin sets up targets" />;
  return (
    <>
      <Head title="Set up a target" says="What it is, how the gateway gets in, and who answers" />
      <Shown of={targets}>
        {({ items }) => {
          // Where nothing was begun here, whatever has no account yet is gone on with.
          const target = items.find((one) => one.name === name) ?? items.find((one) => one.protocol === "ssh" && one.accounts.length === 0);
          return <Steps target={target} onTarget={setName} />;
        }}
      </Shown>
    </>
  );
}

function Steps({ target, onTarget }: { target: Target | undefined; onTarget: (name: string) => void }) {
  const users = useUsers();
  const me = useWho();
  const narrow = useMediaQuery("(max-width: 48em)");
  const answers = (users.data?.items ?? []).filter((user) => !user.disabled && user.roles.includes("approver") && user.name !== me.name);
  const [alone, setAlone] = useState(false);
  const account = target && target.accounts.length > 0;
  const at = !target ? 0 : !account ? 1 : answers.length === 0 && !alone ? 2 : 3;
  return (
    <div className="card">
      <Stepper active={at} size="sm" orientation={narrow ? "vertical" : "horizontal"} allowNextStepsSelect={false} mb="lg" aria-label="Steps">
        <Stepper.Step label="Target" description={target?.name ?? "a machine"} />
        <Stepper.Step label="Account" description={account ? target.accounts.map((one) => one.name).join(", ") : "how to get in"} />
        <Stepper.Step label="Who answers" description={answers.map((one) => one.name).join(", ") || "another person"} />
        <Stepper.Step label="Try it" />
      </Stepper>
      {at === 0 ? <ForTarget onTarget={onTarget} /> : null}
      {at === 1 && target ? <ForAccount target={target} /> : null}
      {at === 2 ? <ForApprover onSkip={() => setAlone(true)} /> : null}
      {at === 3 && target ? <Done target={target} answers={answers} /> : null}
    </div>
  );
}

function ForTarget({ onTarget }: { onTarget: (name: string) => void }) {
  const [name, setName] = useState("");
  const [address, setAddress] = useState("");
  const [keys, setKeys] = useState("");
  const full = address.includes(":") ? address : `${address}:22`;
  const scan = useAction((of: string) => told(api.POST("/api/v1/host-keys/scan", { body: { address: of } })), []);
  const save = useAction(
    () =>
      told<Target>(
        api.POST("/api/v1/targets", {
          body: { name, address: full, host_keys: keys.split("\n").map((line) => line.trim()).filter(Boolean) } as never,
        }) as never,
      ),
    ["target"],
  );
  const wrong = (field: string) => (save.error instanceof Failure ? save.error.fields[field] : undefined);
  const look = () => scan.mutate(full, { onSuccess: ({ host_keys }) => setKeys(host_keys.map(({ key }) => key).join("\n")) });
  return (
    <Form verb="Add the target" busy={save.isPending} error={save.error} ready={Boolean(keys.trim())} send={() => save.mutate(undefined, { onSuccess: () => onTarget(name) })}>
      <Text size="sm">
        Begin with a machine that you reach by SSH. Web and RDP targets are entered under{" "}
        <Anchor component={Link} to="/admin/targets" underline="always">
          Targets
        </Anchor>
        .
      </Text>
      <TextInput
        label="Name"
        description="As people will type it: small letters, digits and hyphens"
        placeholder="db1"
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
        error={wrong("name")}
        required
      />
      <TextInput
        label="Address"
        placeholder="db1.example.org:22"
        value={address}
        onChange={(event) => setAddress(event.currentTarget.value)}
        error={wrong("address")}
        required
      />
      <Group>
        <Button variant="default" size="sm" disabled={!address} loading={scan.isPending} onClick={look}>
          Look at its host keys
        </Button>
      </Group>
      <Failed error={scan.error} />
      {scan.data ? (
        <Text size="sm">
          Compare with what the machine itself says (<span className="code">ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub</span>):{" "}
          <span className="code">{scan.data.host_keys.map((key) => key.fingerprint).join(", ")}</span>
        </Text>
      ) : null}
      <Textarea
        label="Host keys"
        description="One a line. Nothing pinned, nobody gets through."
        value={keys}
        onChange={(event) => setKeys(event.currentTarget.value)}
        error={wrong("host_keys")}
        autosize
        minRows={2}
        maxRows={6}
        classNames={{ input: "mono" }}
        required
      />
    </Form>
  );
}

function ForAccount({ target }: { target: Target }) {
  const [name, setName] = useState("root");
  const secret = useSecret();
  const save = useAction(
    () => told(api.POST("/api/v1/accounts", { body: { name, targets: [target.name], secret: secret.given } as never })),
    ["account", "target"],
  );
  const wrong = (field: string) => (save.error instanceof Failure ? save.error.fields[field] : undefined);
  return (
    <Form verb="Seal it" busy={save.isPending} error={save.error} ready={!secret.empty} send={() => save.mutate(undefined)}>
      <Text size="sm">
        As whom does the gateway get into {target.name}? The secret is sealed: it can be used and replaced, and nobody reads it again.
      </Text>
      <TextInput label="Account" value={name} onChange={(event) => setName(event.currentTarget.value)} error={wrong("name")} required />
      {secret.fields(wrong)}
    </Form>
  );
}

function ForApprover({ onSkip }: { onSkip: () => void }) {
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const save = useAction(
    () => told(api.POST("/api/v1/users", { body: { name, email: email || null, roles: ["requester", "approver"], password } as never })),
    ["user"],
  );
  const wrong = (field: string) => (save.error instanceof Failure ? save.error.fields[field] : undefined);
  return (
    <Form
      verb="Add them"
      busy={save.isPending}
      error={save.error}
      ready
      send={() => save.mutate(undefined)}
      besides={
        <Button variant="subtle" onClick={onSkip}>
          Later
        </Button>
      }
    >
      <Text size="sm">Nobody approves their own request, so somebody else has to be there to answer yours.</Text>
      <TextInput label="User name" value={name} onChange={(event) => setName(event.currentTarget.value)} error={wrong("name")} autoComplete="off" required />
      <TextInput label="E-mail" description="Where requests are told of" type="email" value={email} onChange={(event) => setEmail(event.currentTarget.value)} error={wrong("email")} autoComplete="off" />
      <PasswordInput
        label="A first password"
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        error={wrong("password")}
        autoComplete="new-password"
        required
        visibilityToggleButtonProps={{ "aria-label": "Show the password" }}
      />
    </Form>
  );
}

function Done({ target, answers }: { target: Target; answers: User[] }) {
  const me = useWho();
  const facts = { user: me.name, gateway: me.gateway.ssh, domain: "", authority: "" };
  return (
    <Stack gap="md" maw={640}>
      <Text fw={600}>{target.name} is set up.</Text>
      <Text size="sm">
        Ask for it; {answers.length > 0 ? `${anyOf(answers.map((one) => one.name))} will be asked` : "somebody with the role approver answers"}. Once it is
        approved, get in with:
      </Text>
      <CopyLine label="the ssh command" text={sshLine(facts, target.name, undefined)} />
      <Group>
        <Button component={Link} to={`/request/${target.name}`}>
          Ask for {target.name}
        </Button>
        <Button component={Link} to="/admin/notices" variant="default">
          Tell people by mail
        </Button>
        <Button component={Link} to="/admin/policies" variant="default">
          Look at the rules
        </Button>
      </Group>
    </Stack>
  );
}

interface FormProps {
  verb: string;
  busy: boolean;
  error: unknown;
  ready: boolean;
  send: () => void;
  besides?: React.ReactNode;
  children: React.ReactNode;
}

function Form({ verb, busy, error, ready, send, besides, children }: FormProps) {
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <Stack gap="md" maw={640}>
        {children}
        <Failed error={error} />
        <Group>
          <Button type="submit" loading={busy} disabled={!ready}>
            {verb}
          </Button>
          {besides}
        </Group>
      </Stack>
    </form>
  );
}
