// The policies, each told in plain words.

import { Button, Group, Text, Title } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { usePolicies } from "../api/queries";
import type { Policy } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { Icon } from "../parts/Icon";
import { RowMenu } from "../parts/RowMenu";
import { Head, Shown } from "../parts/State";
import { Flag } from "../parts/Status";
import { useIs } from "../shell/me";
import { useTitle } from "../shell/title";
import { PolicyForm } from "./PolicyForm";
import { inWords } from "./policyWords";

export function Policies() {
  useTitle("Policies");
  const policies = usePolicies();
  const admin = useIs("admin");
  const [editing, setEditing] = useState<Policy | "new">();
  const [removing, setRemoving] = useState<Policy>();
  const remove = useAction(
    (name: string) => told(api.DELETE("/api/v1/policies/{name}", { params: { path: { name } } })),
    ["policy"],
  );
  return (
    <>
      <Head title="Policies" says="Who may ask, who must agree, and what then holds. A change holds for what is asked for from then on.">
        {admin ? (
          <Button leftSection={<Icon sign="plus" size={16} />} onClick={() => setEditing("new")}>
            Add a policy
          </Button>
        ) : null}
      </Head>
      <Shown of={policies}>
        {({ items }) => (
          <>
            {items.map((policy) => (
              <article key={policy.id} className="card" aria-label={`Policy ${policy.name}`}>
                <div className="card-head">
                  <div className="card-main">
                    <Group gap="sm">
                      <Title order={2} size="h5">
                        {policy.name}
                      </Title>
                      {policy.is_default ? <Flag says="the default" color="cyan" /> : null}
                    </Group>
                    {policy.description ? (
                      <Text size="sm" c="dimmed">
                        {policy.description}
                      </Text>
                    ) : null}
                  </div>
                  {admin ? (
                    <div className="card-end">
                      <RowMenu
                        of={policy.name}
                        acts={[
                          { says: "Change", sign: "gear", run: () => setEditing(policy) },
                          { says: "Remove", sign: "cross", danger: true, run: () => setRemoving(policy) },
                        ]}
                      />
                    </div>
                  ) : null}
                </div>
                <ul className="words">
                  {inWords(policy.terms).map((line) => (
                    <li key={line}>{line}</li>
                  ))}
                </ul>
              </article>
            ))}
          </>
        )}
      </Shown>
      {editing ? <PolicyForm {...(editing === "new" ? {} : { policy: editing })} onClose={() => setEditing(undefined)} /> : null}
      <Confirm
        opened={removing !== undefined}
        onClose={() => setRemoving(undefined)}
        title={`Remove the policy ${removing?.name}?`}
        verb="Remove it"
        danger
        run={() => remove.mutateAsync(removing?.name ?? "")}
      >
        Only a policy that no target and no account names can be removed. Check-outs keep the terms they were asked under.
      </Confirm>
    </>
  );
}
