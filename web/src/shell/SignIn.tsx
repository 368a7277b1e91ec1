// Signing in: with a password, and with what must come after it. The answer is a cookie that no script sees.

import { Button, PasswordInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { signIn } from "../api/client";
import { connection } from "../api/connection";
import type { HalfSignedIn } from "../api/types";
import { Failed } from "../parts/State";
import { Mark } from "./Mark";
import { SecondHalf } from "./SecondHalf";

interface Props {
  says?: string;
  user?: string;
  onDone: (user: string) => void;
}

export function SignInForm({ says, user: known = "", onDone }: Props) {
  const [user, setUser] = useState(known);
  const [password, setPassword] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const [half, setHalf] = useState<HalfSignedIn>();
  const go = async () => {
    setBusy(true);
    setError(undefined);
    try {
      const half = await signIn(user.trim(), password);
      if (half) setHalf(half);
      else onDone(user.trim());
      setPassword("");
    } catch (failure) {
      setPassword("");
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  if (half) {
    const over = (why: unknown) => {
      setHalf(undefined);
      setError(why);
    };
    return <SecondHalf half={half} onDone={() => onDone(user.trim())} onOver={over} />;
  }
  return (
    <Stack
      component="form"
      onSubmit={(event: { preventDefault: () => void }) => {
        event.preventDefault();
        void go();
      }}
    >
      {says ? <Text size="sm">{says}</Text> : null}
      <TextInput
        label="User name"
        name="user"
        value={user}
        onChange={(event) => setUser(event.currentTarget.value)}
        autoComplete="username"
        autoCapitalize="none"
        spellCheck={false}
        required
        withAsterisk={false}
        autoFocus={!known}
      />
      <PasswordInput
        label="Password"
        name="password"
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        autoComplete="current-password"
        required
        withAsterisk={false}
        autoFocus={Boolean(known)}
        visibilityToggleButtonProps={{ "aria-label": "Show the password" }}
      />
      <Failed error={error} />
      <Button type="submit" loading={busy} fullWidth size="md">
        Sign in
      </Button>
    </Stack>
  );
}

export function SignInPage() {
  const client = useQueryClient();
  useEffect(() => {
    document.title = "Sign in · Doorward";
  }, []);
  const done = () => {
    connection.signedIn();
    void client.resetQueries();
  };
  return (
    <main className="sign-in">
      <div className="card">
        <Stack gap={4} mb="lg">
          <Mark size={40} />
          <Title order={1} size="h2" mt="sm">
            Sign in to Doorward
          </Title>
          <Text c="dimmed" size="sm">
            The way to servers and applications, for as long as somebody approved.
          </Text>
        </Stack>
        <SignInForm onDone={done} />
      </div>
    </main>
  );
}

