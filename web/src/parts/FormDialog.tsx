// A form above the page: filled in, sent, and gone when it worked.

import { Button, Group, Modal, Stack } from "@mantine/core";
import { type ReactNode, useState } from "react";

import { Failure } from "../api/client";
import { Failed } from "./State";

interface Props {
  title: string;
  verb: string;
  onClose: () => void;
  run: () => Promise<unknown>;
  /** Told what the gateway says of a field. */
  children: (wrong: (field: string) => string | undefined) => ReactNode;
}

/** Shown for as long as it is rendered, so that it begins empty each time. */
export function FormDialog({ title, verb, onClose, run, children }: Props) {
  const [error, setError] = useState<unknown>();
  const [busy, setBusy] = useState(false);
  const go = async () => {
    setBusy(true);
    setError(undefined);
    try {
      await run();
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const wrong = (field: string) => (error instanceof Failure ? error.fields[field] : undefined);
  return (
    <Modal opened onClose={onClose} title={title} size="lg" radius="md" closeButtonProps={{ "aria-label": "Close" }}>
      <Stack
        component="form"
        gap="md"
        onSubmit={(event: { preventDefault: () => void }) => {
          event.preventDefault();
          void go();
        }}
      >
        {children(wrong)}
        <Failed error={error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Leave it
          </Button>
          <Button type="submit" loading={busy}>
            {verb}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
