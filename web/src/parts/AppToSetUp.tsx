// What an authenticator app is set up with: a picture to scan, and the same to type.

import { Stack, Text } from "@mantine/core";

import type { AppSetUp } from "../api/types";
import { CopyLine } from "./Copy";
import { Qr } from "./Qr";

export function AppToSetUp({ offer }: { offer: AppSetUp }) {
  return (
    <Stack gap="sm">
      <Text size="sm">Scan this with an authenticator app, such as the one your phone brings along.</Text>
      <Qr of={offer.qr} label="The secret of the app, as a QR code" />
      <Text size="sm">Or type it in there:</Text>
      <CopyLine label="the secret of the app" text={offer.secret.replace(/(.{4})(?=.)/g, "$1 ")} />
    </Stack>
  );
}
