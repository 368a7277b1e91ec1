// How somebody signs in, as an admin sees it: where they are, what they show, and both taken away.

import { Button, Group, Modal, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { useFactorsOf, useSignInsOf } from "../api/factors";
import type { Factors, User } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { SignInList } from "../parts/SignInList";
import { Shown } from "../parts/State";
import { count } from "../text/words";

export function UserSignIn({ user, onClose }: { user: User; onClose: () => void }) {
  const factors = useFactorsOf(user.name);
  const signIns = useSignInsOf(user.name);
  const [asking, setAsking] = useState<"factors" | "sign-ins">();
  const at = { params: { path: { name: user.name } } };
  const reset = useAction(() => told(api.DELETE("/api/v1/users/{name}/factors", at)), ["user"]);
  const end = useAction(() => told(api.DELETE("/api/v1/users/{name}/sign-ins", at)), ["user"]);
  return (
    <Modal opened onClose={onClose} title={`How ${user.name} signs in`} size="xl" radius="md" closeButtonProps={{ "aria-label": "Close" }}>
      <Stack gap="lg">
        <section aria-labelledby="user-factors">
          <Group justify="space-between">
            <Title order={3} size="h6" id="user-factors">
              Second factor
            </Title>
            <Button size="xs" variant="default" onClick={() => setAsking("factors")} disabled={factors.data?.could_show.length === 0}>
              Take it away
            </Button>
          </Group>
          <Shown of={factors} rows={1}>
            {(held) => <Text size="sm">{inWords(held)}</Text>}
          </Shown>
        </section>
        <section aria-labelledby="user-sign-ins">
          <Group justify="space-between" mb="xs">
            <Title order={3} size="h6" id="user-sign-ins">
              Signed in
            </Title>
            <Button size="xs" variant="default" onClick={() => setAsking("sign-ins")} disabled={signIns.data?.items.length === 0}>
              Sign out everywhere
            </Button>
          </Group>
          <Shown of={signIns} rows={1}>
            {({ items }) => (items.length > 0 ? <SignInList items={items} /> : <Text size="sm">Nowhere.</Text>)}
          </Shown>
        </section>
      </Stack>
      <Confirm
        opened={asking === "factors"}
        onClose={() => setAsking(undefined)}
        title={`Take the second factor of ${user.name} away?`}
        verb="Take it away"
        danger
        run={() => reset.mutateAsync(undefined)}
      >
        For somebody who has lost it. Be sure that it is them who asks: from then on their password alone signs them in, unless they must
        set up a new one. Their sign-ins end.
      </Confirm>
      <Confirm
        opened={asking === "sign-ins"}
        onClose={() => setAsking(undefined)}
        title={`Sign ${user.name} out everywhere?`}
        verb="Sign out everywhere"
        danger
        run={() => end.mutateAsync(undefined)}
      >
        Every browser and command line of theirs is signed out, and so are the web targets they have open. They can sign in again: to keep
        them out, disable them.
      </Confirm>
    </Modal>
  );
}

function inWords(held: Factors): string {
  const has = [
    held.app ? "an authenticator app" : "",
    held.passkeys.length > 0 ? count(held.passkeys.length, "passkey") : "",
    held.could_show.length > 0 ? `${count(held.recovery_codes, "recovery code")} left` : "",
  ].filter(Boolean);
  if (has.length > 0) return `${has.join(", ")}.`;
  return held.required ? "None yet. They set one up at their next sign-in." : "None: their password alone signs them in.";
}
