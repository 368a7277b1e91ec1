// The approver's answer: yes for how long, no and why, or handed over to somebody else.

import { Button, Collapse, Group, Select, Stack, Text, Textarea, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useState } from "react";

import { useApprove, useAssign, useDeny } from "../api/actions";
import type { Checkout } from "../api/types";
import { Icon } from "../parts/Icon";
import { Failed } from "../parts/State";
import { DurationField } from "../request/DurationField";
import { useWho } from "../shell/me";
import { parseSpan, spanInWords, wordsOf } from "../text/span";

export function Answer({ checkout }: { checkout: Checkout }) {
  const me = useWho();
  const approve = useApprove(checkout.id);
  const deny = useDeny(checkout.id);
  const asked = checkout.extension?.duration ?? checkout.duration;
  const [duration, setDuration] = useState(asked);
  const [message, setMessage] = useState("");
  const [handing, { toggle }] = useDisclosure();
  const others = (checkout.waits_for ?? []).filter((name) => name !== me.name);
  const whom = checkout.requester_name;
  const reason = checkout.extension ? checkout.extension.reason : checkout.reason;
  const wanted = parseSpan(duration);
  const most = checkout.extension ? asked : checkout.terms.maximum_duration;
  const shorter = checkout.terms.duration_presets.filter((preset) => (parseSpan(preset) ?? 0) <= (parseSpan(most) ?? 0));
  const presets = [...new Set([asked, ...shorter])].sort((a, b) => (parseSpan(a) ?? 0) - (parseSpan(b) ?? 0)).slice(0, 5);
  const body = { message: message.trim(), ...(duration === asked ? {} : { duration }) };
  return (
    <section className="card card-waits" aria-labelledby="answer">
      <Title order={2} size="h5" id="answer" mb="sm">
        {checkout.extension ? `${whom} asks for ${wordsOf(asked)} more` : "Your answer"}
      </Title>
      {reason ? <p className="quote request-reason">{reason}</p> : null}
      <Stack
        component="form"
        gap="md"
        onSubmit={(event: { preventDefault: () => void }) => {
          event.preventDefault();
          approve.mutate(body);
        }}
      >
        {checkout.window ? null : (
          <DurationField
            label="For how long"
            value={duration}
            onChange={setDuration}
            presets={presets}
            hint={`Asked for: ${wordsOf(asked)}. At most ${wordsOf(most)}.`}
          />
        )}
        <Textarea
          label={`Message to ${whom}`}
          description="If you like; with a no, say why"
          value={message}
          onChange={(event) => setMessage(event.currentTarget.value)}
          autosize
          minRows={1}
          maxRows={6}
        />
        <Failed error={approve.error ?? deny.error} />
        <Group gap="xs" className="acts">
          <Button
            type="submit"
            color="go"
            leftSection={<Icon sign="check" size={16} />}
            loading={approve.isPending}
            disabled={!wanted}
          >
            Approve{wanted && !checkout.window ? ` for ${spanInWords(wanted)}` : ""}
          </Button>
          <Button
            color="red.8"
            variant="outline"
            className="deny"
            leftSection={<Icon sign="cross" size={16} />}
            loading={deny.isPending}
            onClick={() => deny.mutate(message.trim())}
          >
            Deny
          </Button>
          {others.length > 0 && !checkout.extension ? (
            <Button variant="subtle" onClick={toggle} aria-expanded={handing}>
              Hand over
            </Button>
          ) : null}
        </Group>
      </Stack>
      <Collapse expanded={handing}>{handing ? <HandOver checkout={checkout} others={others} /> : null}</Collapse>
    </section>
  );
}

function HandOver({ checkout, others }: { checkout: Checkout; others: string[] }) {
  const assign = useAssign(checkout.id);
  const [to, setTo] = useState<string | null>(null);
  return (
    <Stack gap="sm" mt="md">
      <Select
        label="Who shall answer instead"
        description="Only they are asked from then on"
        data={others}
        value={to}
        onChange={setTo}
        searchable
      />
      <Failed error={assign.error} />
      <Group>
        <Button variant="default" disabled={!to} loading={assign.isPending} onClick={() => to && assign.mutate(to)}>
          Hand over to {to ?? "…"}
        </Button>
      </Group>
      <Text size="xs" c="dimmed">
        The request stays as it is.
      </Text>
    </Stack>
  );
}
