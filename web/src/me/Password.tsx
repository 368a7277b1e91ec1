// A new password, which ends every other sign-in with the old one.

import { Button, Group, PasswordInput, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { Failure, api, told } from "../api/client";
import { Failed } from "../parts/State";

export function Password() {
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const change = useAction(() => told(api.PUT("/api/v1/me/password", { body: { current, new: next } })), ["me"]);
  const wrong = (field: string) => (change.error instanceof Failure ? change.error.fields[field] : undefined);
  const eye = { "aria-label": "Show the password" };
  return (
    <section className="card" aria-labelledby="password">
      <Title order={2} size="h5" id="password" mb="sm">
        Password
      </Title>
      <Stack
        component="form"
        gap="sm"
        maw={420}
        onSubmit={(event: { preventDefault: () => void }) => {
          event.preventDefault();
          change.mutate(undefined, {
            onSuccess: () => {
              setCurrent("");
              setNext("");
            },
          });
        }}
      >
        <PasswordInput label="The one you have" value={current} onChange={(event) => setCurrent(event.currentTarget.value)} autoComplete="current-password" error={wrong("current")} visibilityToggleButtonProps={eye} />
        <PasswordInput label="The new one" value={next} onChange={(event) => setNext(event.currentTarget.value)} autoComplete="new-password" error={wrong("new")} visibilityToggleButtonProps={eye} />
        <Failed error={change.error} />
        {change.isSuccess ? (
          <Text size="sm" role="status">
            Changed. Whoever else was signed in as you is not any more.
          </Text>
        ) : null}
        <Group>
          <Button type="submit" variant="default" loading={change.isPending} disabled={!current || !next}>
            Change it
          </Button>
        </Group>
      </Stack>
    </section>
  );
}
