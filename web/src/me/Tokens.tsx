// Tokens of programs. Sign-ins are tokens as well, and stand in a list of their own.

import { Button, Checkbox, Group, Select, Stack, Text, TextInput, Title } from "@mantine/core";
import { useRef, useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { useTokens } from "../api/queries";
import type { Token } from "../api/types";
import { CopyLine } from "../parts/Copy";
import { FormDialog } from "../parts/FormDialog";
import { Moment } from "../parts/Moment";
import { Failed, Shown } from "../parts/State";
import { type Column, Table } from "../parts/Table";

const SCOPES = ["read", "request", "approve", "admin", "reveal"] as const;

export function Tokens() {
  const tokens = useTokens();
  const [making, setMaking] = useState(false);
  const remove = useAction((id: string) => told(api.DELETE("/api/v1/me/tokens/{id}", { params: { path: { id } } })), ["me"]);
  const columns: Column<Token>[] = [
    { id: "label", header: "What", cell: (row) => row.label },
    { id: "scopes", header: "Reaches", cell: (row) => (row.scopes.length === SCOPES.length ? "everything you may" : row.scopes.join(", ")) },
    { id: "created", header: "Since", cell: (row) => <Moment at={row.created_at} /> },
    { id: "expires", header: "Until", cell: (row) => <Moment at={row.expires_at} /> },
    {
      id: "remove",
      header: "",
      cell: (row) => (
        <Button size="compact-sm" variant="default" onClick={() => remove.mutate(row.id)} aria-label={`Take back: ${row.label}`}>
          Take back
        </Button>
      ),
    },
  ];
  return (
    <section className="section" aria-labelledby="tokens" style={{ marginTop: 24 }}>
      <div className="section-head">
        <Title order={2} size="h5" id="tokens">
          Tokens of programs
        </Title>
        <Button size="xs" variant="default" onClick={() => setMaking(true)}>
          Make a token
        </Button>
      </div>
      <Failed error={remove.error} />
      <Shown of={tokens} rows={1}>
        {({ items }) => {
          const made = items.filter((token) => !token.peer && !token.parent);
          return made.length > 0 ? (
            <Table label="Tokens of programs" columns={columns} rows={made} rowId={(row) => row.id} />
          ) : (
            <Text size="sm" c="dimmed">
              None. A program that works for you shows a token instead of your password.
            </Text>
          );
        }}
      </Shown>
      {making ? <TokenForm onClose={() => setMaking(false)} /> : null}
    </section>
  );
}

function TokenForm({ onClose }: { onClose: () => void }) {
  const [label, setLabel] = useState("");
  const [scopes, setScopes] = useState<string[]>(["read"]);
  const [lifetime, setLifetime] = useState<string | null>("30d");
  const [secret, setSecret] = useState<string>();
  const made = useRef(false);
  const make = useAction(
    () => told(api.POST("/api/v1/me/tokens", { body: { label, scopes: scopes as never, expires_in: lifetime ?? "30d" } })),
    ["me"],
  );
  if (secret) {
    return (
      <FormDialog key="made" title="Your token" verb="I have it" onClose={onClose} run={async () => undefined}>
        {() => (
          <Stack gap="xs">
            <Text size="sm">It is shown now and never again.</Text>
            <CopyLine label="the token" text={secret} />
          </Stack>
        )}
      </FormDialog>
    );
  }
  return (
    <FormDialog
      title="Make a token for a program"
      verb="Make it"
      // Once it is made the dialog stays, and shows it.
      onClose={() => made.current || onClose()}
      run={async () => {
        const { token } = await make.mutateAsync(undefined);
        made.current = true;
        setSecret(token);
      }}
    >
      {(wrong) => (
        <>
          <TextInput label="What it is for" value={label} onChange={(event) => setLabel(event.currentTarget.value)} error={wrong("label")} required data-autofocus />
          <Checkbox.Group label="What it reaches" value={scopes} onChange={setScopes} error={wrong("scopes")}>
            <Group mt="xs">
              {SCOPES.map((scope) => (
                <Checkbox key={scope} value={scope} label={scope} />
              ))}
            </Group>
          </Checkbox.Group>
          <Select
            label="Good for"
            data={[
              { value: "1d", label: "A day" },
              { value: "30d", label: "30 days" },
              { value: "365d", label: "A year" },
            ]}
            value={lifetime}
            onChange={setLifetime}
          />
        </>
      )}
    </FormDialog>
  );
}
