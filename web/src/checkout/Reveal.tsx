// The secret of an account, for whoever may see it. It is asked for by a click, is in no list, and
// goes with the page.

import { Button, Stack, Text } from "@mantine/core";

import { useReveal } from "../api/actions";
import type { Checkout } from "../api/types";
import { CopyLine } from "../parts/Copy";
import { Icon } from "../parts/Icon";
import { Failed } from "../parts/State";

export function Reveal({ checkout }: { checkout: Checkout }) {
  const reveal = useReveal(checkout.id);
  const secret = reveal.data;
  if (!secret) {
    return (
      <Stack gap="sm" mt="md" align="flex-start">
        <Text size="sm">That you looked is written down.</Text>
        <Button leftSection={<Icon sign="key" size={16} />} loading={reveal.isPending} onClick={() => reveal.mutate(undefined)}>
          Show it now
        </Button>
        <Failed error={reveal.error} />
      </Stack>
    );
  }
  return (
    <Stack gap="xs" mt="md">
      <Text size="sm">User name</Text>
      <CopyLine label="the user name" text={secret.login} />
      <Text size="sm">{secret.kind === "password" ? "Password" : "Secret"}</Text>
      <CopyLine label="the secret" text={secret.secret} />
      {secret.passphrase ? <CopyLine label="the passphrase" text={secret.passphrase} /> : null}
      <Button variant="default" size="xs" onClick={() => reveal.reset()}>
        Hide it
      </Button>
    </Stack>
  );
}
