// The targets I may ask for, with a search.

import { Badge, Button, Group, Text, TextInput, Title } from "@mantine/core";
import { useDeferredValue, useState } from "react";
import { Link } from "react-router";

import { useCheckouts, useTargets } from "../api/queries";
import type { Target } from "../api/types";
import { Icon, protocolSign } from "../parts/Icon";
import { Nothing, Shown } from "../parts/State";
import { ago } from "../text/time";

export function Places() {
  const [text, setText] = useState("");
  const sought = useDeferredValue(text.trim().toLowerCase());
  const targets = useTargets();
  const mine = useCheckouts({ view: "mine", limit: "100" });
  const lastUsed = new Map<string, string>();
  for (const { target_name, requested_at } of mine.data?.items ?? []) {
    if (!lastUsed.has(target_name)) lastUsed.set(target_name, requested_at);
  }
  return (
    <section className="section" aria-labelledby="places">
      <div className="section-head">
        <Title order={2} size="h4" id="places">
          Targets
        </Title>
        {(targets.data?.items.length ?? 0) > 3 || text ? (
          <TextInput
            aria-label="Search targets"
            placeholder="Search by name, label, account"
            leftSection={<Icon sign="search" size={16} />}
            value={text}
            onChange={(event) => setText(event.currentTarget.value)}
            w={{ base: "100%", xs: 260 }}
          />
        ) : null}
      </div>
      <Shown of={targets} rows={2}>
        {({ items }) => {
          const open = items.filter((target) => target.accounts.some((account) => account.may_ask));
          const found = sorted(open, lastUsed).filter((target) => mentions(target, sought));
          if (open.length === 0) {
            return (
              <Nothing sign="server" title="There is no target yet that you may ask for">
                An admin enters targets and says in a policy who may ask for them.
              </Nothing>
            );
          }
          if (found.length === 0) {
            return (
              <Nothing sign="search" title={`No target matches “${text}”`}>
                <Button variant="default" size="xs" onClick={() => setText("")}>
                  Show all
                </Button>
              </Nothing>
            );
          }
          return (
            <div className="tiles">
              {found.map((target) => (
                <Tile key={target.id} target={target} lastUsed={lastUsed.get(target.name)} />
              ))}
            </div>
          );
        }}
      </Shown>
    </section>
  );
}

function Tile({ target, lastUsed }: { target: Target; lastUsed: string | undefined }) {
  const accounts = target.accounts.filter((account) => account.may_ask).map((account) => account.name);
  return (
    <article className="card tile">
      <Group gap="sm" wrap="nowrap">
        <span className="sign">
          <Icon sign={protocolSign(target.protocol)} />
        </span>
        <div>
          <Text fw={650} lh={1.3}>
            {target.name}
          </Text>
          <Text size="xs" c="dimmed">
            {accounts.slice(0, 3).join(", ")}
            {accounts.length > 3 ? ` and ${accounts.length - 3} more` : ""}
          </Text>
        </div>
      </Group>
      {target.description ? (
        <Text size="sm" c="dimmed" lineClamp={2}>
          {target.description}
        </Text>
      ) : null}
      {target.labels.length > 0 ? (
        <Group gap={6}>
          {target.labels.slice(0, 4).map((label) => (
            <Badge key={label} variant="default" radius="sm" tt="none" fw={500}>
              {label}
            </Badge>
          ))}
        </Group>
      ) : null}
      <div className="tile-foot">
        <Text size="xs" c="dimmed">
          {lastUsed ? `asked for ${ago(lastUsed)}` : ""}
        </Text>
        <Button component={Link} to={`/request/${target.name}`} size="xs" variant="light">
          Ask for {target.name}
        </Button>
      </div>
    </article>
  );
}

/** What was used last stands first, then by name. */
function sorted(targets: Target[], lastUsed: Map<string, string>): Target[] {
  const used = (target: Target) => lastUsed.get(target.name) ?? "";
  return [...targets].sort((a, b) => used(b).localeCompare(used(a)) || a.name.localeCompare(b.name));
}

function mentions(target: Target, text: string): boolean {
  const words = [target.name, target.description, ...target.labels, ...target.accounts.map((account) => account.name)];
  return words.some((word) => word.toLowerCase().includes(text));
}
