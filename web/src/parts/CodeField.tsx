// Where a code of an app, or a recovery code, is typed.

import { Button, Text, TextInput } from "@mantine/core";

import { passkeysHere } from "../api/passkey";
import { Icon } from "./Icon";

interface Props {
  value: string;
  onChange: (code: string) => void;
  /** Whether there is an app. */
  app?: boolean;
  /** Whether a recovery code would do as well. */
  recovery: boolean;
  error?: string | undefined;
}

export function CodeField({ value, onChange, app = true, recovery, error }: Props) {
  return (
    <TextInput
      label={app ? "Code of your authenticator app" : "A recovery code"}
      {...(app && recovery ? { description: "Or one of your recovery codes" } : {})}
      name="code"
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={error}
      autoComplete="one-time-code"
      autoCapitalize="none"
      spellCheck={false}
      classNames={{ input: "mono" }}
      required
      withAsterisk={false}
      data-autofocus
      autoFocus
    />
  );
}

/** Shows a passkey; says so where this browser cannot. */
export function PasskeyButton({ busy, onPress }: { busy: boolean; onPress: () => void }) {
  if (!passkeysHere()) return <Text size="sm">This browser knows no passkeys. Use another, or a code.</Text>;
  return (
    <Button variant="default" fullWidth size="md" loading={busy} onClick={onPress} leftSection={<Icon sign="key" size={16} />}>
      Use a passkey
    </Button>
  );
}
