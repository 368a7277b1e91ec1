// My passkeys: those that count, a new one, one taken away.

import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { useRef, useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { makePasskey, passkeysHere } from "../api/passkey";
import type { Factors, PasskeyCreation } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { FormDialog } from "../parts/FormDialog";
import { Moment } from "../parts/Moment";

type Passkey = Factors["passkeys"][number];

export function Passkeys({ held, onCodes }: { held: Factors; onCodes: (codes: string[]) => void }) {
  const [adding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<Passkey>();
  const remove = useAction(
    (id: string) => told(api.DELETE("/api/v1/me/factors/passkeys/{id}", { params: { path: { id } } })),
    ["me"],
  );
  const can = held.passkeys_possible && passkeysHere();
  return (
    <Stack gap="xs">
      <Group justify="space-between" wrap="wrap">
        <div>
          <Text fw={600}>Passkeys</Text>
          <Text size="sm" c="dimmed">
            {why(held) ?? "A key in your pocket, or this computer itself: nothing to type, and nothing to be tricked out of"}
          </Text>
        </div>
        {can ? (
          <Button size="xs" variant={held.could_show.length > 0 ? "default" : "filled"} onClick={() => setAdding(true)}>
            Add a passkey
          </Button>
        ) : null}
      </Group>
      {held.passkeys.map((passkey) => (
        <Group key={passkey.id} justify="space-between">
          <Text size="sm" component="div">
            {passkey.label}{" "}
            <Text span size="xs" c="dimmed">
              since <Moment at={passkey.added_at} />
              {passkey.last_used_at ? (
                <>
                  , last used <Moment at={passkey.last_used_at} />
                </>
              ) : (
                ", not used yet"
              )}
            </Text>
          </Text>
          <Button size="compact-sm" variant="default" onClick={() => setRemoving(passkey)} aria-label={`Take away: ${passkey.label}`}>
            Take away
          </Button>
        </Group>
      ))}
      {adding ? <Add onClose={() => setAdding(false)} onCodes={onCodes} /> : null}
      <Confirm
        opened={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title={`Take ${removing?.label ?? "it"} away?`}
        verb="Take it away"
        danger
        run={() => remove.mutateAsync(removing?.id ?? "")}
      >
        It opens nothing from then on. Without another second factor your password alone signs you in, and your recovery codes end.
      </Confirm>
    </Stack>
  );
}

function why(held: Factors): string | undefined {
  if (!held.passkeys_possible) return "Not here: the console's address is no name, and passkeys are bound to a name";
  return passkeysHere() ? undefined : "This browser knows none";
}

function Add({ onClose, onCodes }: { onClose: () => void; onCodes: (codes: string[]) => void }) {
  const [label, setLabel] = useState("");
  const codes = useRef<string[] | undefined>(undefined);
  const add = useAction(async () => {
    const asked = await told<PasskeyCreation>(api.POST("/api/v1/me/factors/passkeys/begin"));
    const made = await makePasskey(asked);
    return told<{ recovery_codes?: string[] | null }>(api.POST("/api/v1/me/factors/passkeys", { body: { label, ...made } as never }));
  }, ["me"]);
  return (
    <FormDialog
      title="Add a passkey"
      verb="Go on"
      onClose={() => {
        onClose();
        if (codes.current) onCodes(codes.current);
      }}
      run={async () => {
        codes.current = (await add.mutateAsync(undefined)).recovery_codes ?? undefined;
      }}
    >
      {(wrong) => (
        <>
          <Text size="sm">Your browser then asks for the key itself: touch it, or unlock this computer.</Text>
          <TextInput
            label="What you call it"
            placeholder="Work laptop"
            value={label}
            onChange={(event) => setLabel(event.currentTarget.value)}
            error={wrong("label")}
            required
            data-autofocus
          />
        </>
      )}
    </FormDialog>
  );
}
