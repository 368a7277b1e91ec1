// Recovery codes, shown once: to be copied, kept as a file, or written down.

import { Button, CopyButton, Group, Stack, Text } from "@mantine/core";

import { Icon } from "./Icon";

export function RecoveryCodes({ codes }: { codes: string[] }) {
  const text = `${codes.join("\n")}\n`;
  return (
    <Stack gap="sm">
      <Text size="sm">
        Each of these signs you in once, should your phone be gone. They are shown now and never again: keep them where your
        password is not.
      </Text>
      <ol className="recovery-codes" aria-label="Recovery codes">
        {codes.map((code) => (
          <li key={code}>{code}</li>
        ))}
      </ol>
      <Group gap="xs">
        <CopyButton value={text}>
          {({ copied, copy }) => (
            <Button variant="default" size="xs" onClick={copy} leftSection={<Icon sign={copied ? "check" : "copy"} size={14} />}>
              {copied ? "Copied" : "Copy them"}
            </Button>
          )}
        </CopyButton>
        <Button
          component="a"
          variant="default"
          size="xs"
          href={`data:text/plain;charset=utf-8,${encodeURIComponent(text)}`}
          download="doorward-recovery-codes.txt"
          leftSection={<Icon sign="download" size={14} />}
        >
          Keep them as a file
        </Button>
      </Group>
    </Stack>
  );
}
