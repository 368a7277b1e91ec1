// The SSH keys by which the gateway knows me.

import { Button, Group, Text, Textarea, Title } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { Moment } from "../parts/Moment";
import { Failed, Shown } from "../parts/State";

export function Keys() {
  const keys = useQuery({ queryKey: ["me", "keys"], queryFn: () => told(api.GET("/api/v1/me/ssh-keys")) });
  const [text, setText] = useState("");
  const add = useAction(() => told(api.POST("/api/v1/me/ssh-keys", { body: { public_key: text.trim() } as never })), ["me"]);
  const remove = useAction(
    (fingerprint: string) => told(api.DELETE("/api/v1/me/ssh-keys/{fingerprint}", { params: { path: { fingerprint } } })),
    ["me"],
  );
  return (
    <section className="card" aria-labelledby="keys">
      <Title order={2} size="h5" id="keys" mb="sm">
        SSH keys
      </Title>
      <Shown of={keys} rows={1}>
        {({ items }) =>
          items.length > 0 ? (
            <>
              {items.map((key) => (
                <Group key={key.fingerprint} justify="space-between" mb={8}>
                  <Text size="sm" component="div">
                    <span className="code">{key.fingerprint}</span> {key.comment}{" "}
                    <Text span size="xs" c="dimmed">
                      since <Moment at={key.added_at} />
                    </Text>
                  </Text>
                  <Button size="compact-sm" variant="default" onClick={() => remove.mutate(key.fingerprint)} aria-label={`Remove the key ${key.fingerprint}`}>
                    Remove
                  </Button>
                </Group>
              ))}
            </>
          ) : (
            <Text size="sm" c="dimmed" mb="sm">
              None yet: ssh asks for your password. Paste what is in <span className="code">~/.ssh/id_ed25519.pub</span>.
            </Text>
          )
        }
      </Shown>
      <Textarea aria-label="A public key" placeholder="ssh-ed25519 AAAA… you@laptop" value={text} onChange={(event) => setText(event.currentTarget.value)} classNames={{ input: "mono" }} autosize minRows={2} mt="sm" mb="xs" />
      <Failed error={add.error ?? remove.error} />
      <Button variant="default" disabled={!text.trim()} loading={add.isPending} onClick={() => add.mutate(undefined, { onSuccess: () => setText("") })}>
        Add it
      </Button>
    </section>
  );
}
