// Asks once more before something ends, and says what will end. Stays open with the reason where
// it did not work.

import { Button, Group, Modal, Stack, Text, Textarea } from "@mantine/core";
import { type ReactNode, useState } from "react";

import { Failed } from "./State";

interface Props {
  opened: boolean;
  onClose: () => void;
  title: string;
  /** What will end, in a sentence. */
  children: ReactNode;
  /** On the button: the act itself, never "OK". */
  verb: string;
  danger?: boolean;
  /** What the message is for; left out, none is asked for. */
  message?: string;
  run: (message: string) => Promise<unknown>;
}

export function Confirm({ opened, onClose, title, children, verb, danger, message, run }: Props) {
  const [text, setText] = useState("");
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const close = () => {
    setError(undefined);
    onClose();
  };
  const go = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await run(text.trim());
      setText("");
      onClose();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Modal opened={opened} onClose={close} title={title} centered radius="md" closeButtonProps={{ "aria-label": "Close" }}>
      <Stack
        component="form"
        onSubmit={(event: { preventDefault: () => void }) => {
          event.preventDefault();
          void go();
        }}
      >
        <Text component="div" size="sm">
          {children}
        </Text>
        {message ? (
          <Textarea label={message} value={text} onChange={(event) => setText(event.currentTarget.value)} data-autofocus />
        ) : null}
        <Failed error={error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            Keep it
          </Button>
          <Button type="submit" loading={busy} color={danger ? "red.8" : "brand"}>
            {verb}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
