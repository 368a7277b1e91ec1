// The second half of a sign-in: a second factor is shown, or set up where one must be.

import { Button, Stack, Text } from "@mantine/core";
import { useEffect, useState } from "react";

import { Failure, type Second, api, signInWith, told } from "../api/client";
import { showPasskey } from "../api/passkey";
import type { AppSetUp, HalfSignedIn, PasskeyRequest } from "../api/types";
import { AppToSetUp } from "../parts/AppToSetUp";
import { CodeField, PasskeyButton } from "../parts/CodeField";
import { RecoveryCodes } from "../parts/RecoveryCodes";
import { Failed, Reading } from "../parts/State";

interface Props {
  half: HalfSignedIn;
  onDone: () => void;
  /** Begins again with the password. */
  onOver: (why: unknown) => void;
}

export function SecondHalf({ half, onDone, onOver }: Props) {
  const [code, setCode] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const [codes, setCodes] = useState<string[]>();
  const sets = half.factors.length === 0;
  const typed = sets || half.factors.some((kind) => kind !== "passkey");
  const passkey = async () => {
    const asked = await told<PasskeyRequest>(api.POST("/api/v1/sign-in/passkey", { body: { step: half.step } as never }));
    return { passkey: await showPasskey(asked) };
  };

  const enter = async (show: () => Promise<Second>) => {
    setBusy(true);
    setError(undefined);
    try {
      const whole = await signInWith(half.step, await show());
      if (whole?.recovery_codes) setCodes(whole.recovery_codes);
      else onDone();
    } catch (failure) {
      setCode("");
      // Half a sign-in that took too long is none.
      if (failure instanceof Failure && failure.code === "sign-in-over") onOver(failure);
      else setError(failure);
    } finally {
      setBusy(false);
    }
  };

  if (codes) {
    return (
      <Stack>
        <RecoveryCodes codes={codes} />
        <Button onClick={onDone} fullWidth size="md">
          I have them
        </Button>
      </Stack>
    );
  }
  return (
    <Stack
      component="form"
      onSubmit={(event: { preventDefault: () => void }) => {
        event.preventDefault();
        void enter(async () => ({ code }));
      }}
    >
      {sets ? <SetUp step={half.step} onOver={onOver} /> : <Text size="sm">Your password is right. Now your second factor.</Text>}
      {half.factors.includes("passkey") ? (
        <PasskeyButton busy={busy} onPress={() => void enter(passkey)} />
      ) : null}
      {typed ? <CodeField value={code} onChange={setCode} app={!half.factors.length || half.factors.includes("app")} recovery={half.factors.includes("recovery-code")} /> : null}
      <Failed error={error} />
      {typed ? (
        <Button type="submit" loading={busy} disabled={!code.trim()} fullWidth size="md">
          {sets ? "Set it up and sign in" : "Sign in"}
        </Button>
      ) : null}
      <Button variant="subtle" onClick={() => onOver(undefined)} fullWidth>
        Back to the password
      </Button>
    </Stack>
  );
}

function SetUp({ step, onOver }: { step: string; onOver: (why: unknown) => void }) {
  const [offer, setOffer] = useState<AppSetUp>();
  useEffect(() => {
    let gone = false;
    told<AppSetUp>(api.POST("/api/v1/sign-in/app", { body: { step } as never })).then(
      (made) => gone || setOffer(made),
      (failure: unknown) => gone || onOver(failure),
    );
    return () => {
      gone = true;
    };
  }, [step]);
  return (
    <>
      <Text size="sm">You must have a second factor here, and you have none yet. It takes a minute.</Text>
      {offer ? <AppToSetUp offer={offer} /> : <Reading rows={2} />}
    </>
  );
}
