// My second factors: an authenticator app, passkeys, recovery codes.

import { Badge, Button, Group, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { useFactors } from "../api/factors";
import type { AppSetUp, Factors as Held } from "../api/types";
import { AppToSetUp } from "../parts/AppToSetUp";
import { CodeField } from "../parts/CodeField";
import { Confirm } from "../parts/Confirm";
import { FormDialog } from "../parts/FormDialog";
import { Moment } from "../parts/Moment";
import { RecoveryCodes } from "../parts/RecoveryCodes";
import { Failed, Shown } from "../parts/State";
import { count } from "../text/words";
import { Passkeys } from "./Passkeys";

const NOUNS = ["me"];

export function Factors() {
  const factors = useFactors();
  return (
    <section className="card" aria-labelledby="factors">
      <Title order={2} size="h5" id="factors" mb={4}>
        Second factor
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        Asked for after your password, and again before what is most dangerous. A password alone signs nobody in as you then.
      </Text>
      <Shown of={factors} rows={2}>
        {(held) => <Each held={held} />}
      </Shown>
    </section>
  );
}

function Each({ held }: { held: Held }) {
  const [offer, setOffer] = useState<AppSetUp>();
  const [codes, setCodes] = useState<string[]>();
  const [removing, setRemoving] = useState(false);
  const begin = useAction(() => told<AppSetUp>(api.POST("/api/v1/me/factors/app")), []);
  const remove = useAction(() => told(api.DELETE("/api/v1/me/factors/app")), NOUNS);
  const renew = useAction(() => told<{ recovery_codes?: string[] | null }>(api.POST("/api/v1/me/factors/recovery-codes")), NOUNS);
  const any = held.could_show.length > 0;
  return (
    <Stack gap="md">
      {!any && held.required ? (
        <Text size="sm" fw={600}>
          You must have one here: you are asked to set it up at your next sign-in, or do it now.
        </Text>
      ) : null}
      <Group justify="space-between" wrap="wrap">
        <div>
          <Text fw={600}>Authenticator app</Text>
          <Text size="sm" c="dimmed" component="div">
            {held.app ? (
              <>
                since <Moment at={held.app} />
              </>
            ) : (
              "A code from your phone, which changes every 30 seconds"
            )}
          </Text>
        </div>
        {held.app ? (
          <Button variant="default" size="xs" onClick={() => setRemoving(true)}>
            Take the app away
          </Button>
        ) : (
          <Button
            size="xs"
            loading={begin.isPending}
            onClick={() => begin.mutate(undefined, { onSuccess: setOffer })}
          >
            Set up an app
          </Button>
        )}
      </Group>
      <Passkeys held={held} onCodes={setCodes} />
      {any ? (
        <Group justify="space-between" wrap="wrap">
          <div>
            <Text fw={600}>Recovery codes</Text>
            <Text size="sm" c="dimmed" component="div">
              {held.recovery_codes > 0 ? `${count(held.recovery_codes, "code")} left, each for one sign-in` : "None left: make new ones"}{" "}
              {held.recovery_codes < 3 ? (
                <Badge color="orange.9" variant="light" size="sm">
                  few
                </Badge>
              ) : null}
            </Text>
          </div>
          <Button
            variant="default"
            size="xs"
            loading={renew.isPending}
            onClick={() => renew.mutate(undefined, { onSuccess: (made) => setCodes(made.recovery_codes ?? []) })}
          >
            Make new codes
          </Button>
        </Group>
      ) : null}
      <Failed error={begin.error ?? renew.error} />
      {offer ? (
        <AppDialog
          offer={offer}
          onClose={() => setOffer(undefined)}
          onCodes={(made) => {
            setOffer(undefined);
            setCodes(made);
          }}
        />
      ) : null}
      {codes ? (
        <FormDialog title="Your recovery codes" verb="I have them" onClose={() => setCodes(undefined)} run={async () => undefined}>
          {() => <RecoveryCodes codes={codes} />}
        </FormDialog>
      ) : null}
      <Confirm
        opened={removing}
        onClose={() => setRemoving(false)}
        title="Take the authenticator app away?"
        verb="Take it away"
        danger
        run={() => remove.mutateAsync(undefined)}
      >
        Its codes are worth nothing from then on. Without another second factor your password alone signs you in, and your recovery codes end.
      </Confirm>
    </Stack>
  );
}

function AppDialog({ offer, onClose, onCodes }: { offer: AppSetUp; onClose: () => void; onCodes: (codes: string[]) => void }) {
  const [code, setCode] = useState("");
  const confirm = useAction(
    () => told<{ recovery_codes?: string[] | null }>(api.PUT("/api/v1/me/factors/app", { body: { code } as never })),
    NOUNS,
  );
  return (
    <FormDialog
      title="Set up an authenticator app"
      verb="It shows this code"
      onClose={onClose}
      run={async () => {
        const { recovery_codes } = await confirm.mutateAsync(undefined);
        if (recovery_codes) onCodes(recovery_codes);
      }}
    >
      {(wrong) => (
        <>
          <AppToSetUp offer={offer} />
          <CodeField value={code} onChange={setCode} recovery={false} error={wrong("code")} />
        </>
      )}
    </FormDialog>
  );
}
