// Asking for more time, which leaves what is open as it is.

import { Button, Group, Modal, Stack, Textarea } from "@mantine/core";
import { useState } from "react";

import { useExtend } from "../api/actions";
import type { Checkout } from "../api/types";
import { Failed } from "../parts/State";
import { DurationField } from "../request/DurationField";
import { parseSpan, spanInWords, writeSpan } from "../text/span";
import { whatOf, grantOf } from "./facts";

interface Props {
  checkout: Checkout;
  opened: boolean;
  onClose: () => void;
}

export function ExtendDialog({ checkout, opened, onClose }: Props) {
  const extend = useExtend(checkout.id);
  const grant = grantOf(checkout);
  const held = grant ? (Date.parse(grant.ends_at) - Date.parse(grant.starts_at)) / 1_000 : 0;
  const most = Math.max(60, (parseSpan(checkout.terms.maximum_duration) ?? 0) - held);
  const presets = [900, 1_800, 3_600, 7_200].filter((seconds) => seconds <= most);
  const [duration, setDuration] = useState(writeSpan(presets[0] ?? most));
  const [reason, setReason] = useState("");
  const go = async () => {
    await extend.mutateAsync({ duration, reason: reason.trim() });
    setReason("");
    onClose();
  };
  const wanted = parseSpan(duration);
  return (
    <Modal opened={opened} onClose={onClose} title={`More time for ${whatOf(checkout)}`} centered closeButtonProps={{ "aria-label": "Close" }}>
      <Stack
        component="form"
        onSubmit={(event: { preventDefault: () => void }) => {
          event.preventDefault();
          go().catch(() => undefined);
        }}
      >
        <DurationField
          label="How much more"
          value={duration}
          onChange={setDuration}
          presets={presets.map(writeSpan)}
          hint={`At most ${spanInWords(most)}. What is open stays open.`}
        />
        <Textarea label="Why" value={reason} onChange={(event) => setReason(event.currentTarget.value)} />
        <Failed error={extend.error} />
        <Group justify="flex-end">
          <Button variant="default" onClick={onClose}>
            Leave it
          </Button>
          <Button type="submit" loading={extend.isPending} disabled={!wanted}>
            Ask for {wanted ? spanInWords(wanted) : "more"}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
