// Asks somebody who is signed in to show again who they are; what waited for it goes on then.

import { Button, Group, Modal, PasswordInput, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";

import { type Second, api, told } from "../api/client";
import { useFactors } from "../api/factors";
import { showPasskey } from "../api/passkey";
import { type Wanted, proof, useProofAsked } from "../api/proof";
import type { Factors, PasskeyRequest } from "../api/types";
import { CodeField, PasskeyButton } from "../parts/CodeField";
import { Failed, Shown } from "../parts/State";

export function Prove() {
  const asked = useProofAsked();
  return (
    <Modal
      opened={asked !== undefined}
      onClose={() => proof.answered(false)}
      title="Show again that it is you"
      centered
      radius="md"
      // Above the dialog whose button asked for it.
      zIndex={400}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {asked ? <Asked wanted={asked} /> : null}
    </Modal>
  );
}

function Asked({ wanted }: { wanted: Wanted }) {
  const factors = useFactors();
  return (
    <Shown of={factors} rows={2}>
      {(held) => (held.could_show.length === 0 && wanted === "step-up" ? <None /> : <Form held={held} />)}
    </Shown>
  );
}

function None() {
  const leave = () => proof.answered(false);
  return (
    <Stack>
      <Text size="sm">
        What you want to do asks for a second factor, and you have none yet. Set one up on your own page, then do it again.
      </Text>
      <Group justify="flex-end">
        <Button variant="default" onClick={leave}>
          Leave it
        </Button>
        <Button component={Link} to="/me" onClick={leave}>
          Set one up
        </Button>
      </Group>
    </Stack>
  );
}

function Form({ held }: { held: Factors }) {
  const [text, setText] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const any = held.could_show.length > 0;
  const passkey = async () => ({ passkey: await showPasskey(await told<PasskeyRequest>(api.POST("/api/v1/me/prove/passkey"))) });
  const show = async (what: () => Promise<Second | { password: string }>) => {
    setBusy(true);
    setError(undefined);
    try {
      await told(api.POST("/api/v1/me/prove", { body: (await what()) as never }));
      proof.answered(true);
    } catch (failure) {
      setText("");
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Stack
      component="form"
      onSubmit={(event: { preventDefault: () => void }) => {
        event.preventDefault();
        void show(async () => (any ? { code: text } : { password: text }));
      }}
    >
      <Text size="sm">
        {any
          ? "What you want to do asks for a fresh second factor. It then counts for some minutes."
          : "What you want to do asks for a fresh proof. It then counts for some minutes."}
      </Text>
      {held.could_show.includes("passkey") ? <PasskeyButton busy={busy} onPress={() => void show(passkey)} /> : null}
      {any ? (
        <CodeField value={text} onChange={setText} app={held.app !== null && held.app !== undefined} recovery={held.could_show.includes("recovery-code")} />
      ) : (
        <PasswordInput
          label="Your password"
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          autoComplete="current-password"
          required
          withAsterisk={false}
          data-autofocus
          visibilityToggleButtonProps={{ "aria-label": "Show the password" }}
        />
      )}
      <Failed error={error} />
      <Group justify="flex-end">
        <Button variant="default" onClick={() => proof.answered(false)}>
          Leave it
        </Button>
        <Button type="submit" loading={busy} disabled={!text.trim()}>
          Go on
        </Button>
      </Group>
    </Stack>
  );
}
