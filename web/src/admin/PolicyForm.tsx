// A policy as a form, told in plain words while it is filled in. What the form does not show stays
// as it is.

import { Group, MultiSelect, NumberInput, Select, Switch, TextInput, Title } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { useGroups } from "../api/queries";
import type { Policy, Terms } from "../api/types";
import { FormDialog } from "../parts/FormDialog";
import { inWords } from "./policyWords";

const MODES = [
  { value: "required", label: "Required" },
  { value: "optional", label: "If there is one" },
  { value: "none", label: "Not asked for" },
];

/** The gateway's own defaults, which are strict. */
const STRICT = {
  checkout: true,
  requesters: [],
  approvals: [{ votes: 1, groups: [] }],
  admins_approve: false,
  self_approval: "never",
  reason: "required",
  ticket: "required",
  ticket_pattern: null,
  default_duration: "1h",
  maximum_duration: "8h",
  exclusive: false,
  extension: true,
  recording: "required",
  reveal: "never",
  approve_factor_within: null,
  reveal_factor_within: null,
} as unknown as Terms;

export function PolicyForm({ policy, onClose }: { policy?: Policy; onClose: () => void }) {
  const groups = useGroups();
  const [name, setName] = useState(policy?.name ?? "");
  const [description, setDescription] = useState(policy?.description ?? "");
  const [terms, setTerms] = useState<Terms>(policy?.terms ?? STRICT);
  const set = (change: Partial<Terms>) => setTerms((before) => ({ ...before, ...change }));
  const stage = terms.approvals[0];
  const names = (groups.data?.items ?? []).map((group) => group.name);
  const save = useAction(
    () =>
      policy
        ? told(
            api.PUT("/api/v1/policies/{name}", {
              params: { path: { name: policy.name } },
              body: { description, is_default: policy.is_default, terms } as never,
            }),
          )
        : told(api.POST("/api/v1/policies", { body: { name, description, terms } as never })),
    ["policy", "target"],
  );
  const one = (change: Partial<Terms["approvals"][number]>) =>
    set({ approvals: [{ votes: 1, groups: [], ...stage, ...change }, ...terms.approvals.slice(1)] });

  return (
    <FormDialog title={policy ? `Change ${policy.name}` : "Add a policy"} verb={policy ? "Save" : "Add it"} onClose={onClose} run={() => save.mutateAsync(undefined)}>
      {(wrong) => (
        <>
          {policy ? null : (
            <TextInput label="Name" value={name} onChange={(event) => setName(event.currentTarget.value)} error={wrong("name")} required data-autofocus />
          )}
          <TextInput label="Description" value={description} onChange={(event) => setDescription(event.currentTarget.value)} />
          <Switch label="People may ask" checked={terms.checkout} onChange={(event) => set({ checkout: event.currentTarget.checked })} />
          <MultiSelect
            label="Who may ask"
            placeholder={terms.requesters.length > 0 ? "" : "Every requester"}
            data={names}
            value={[...terms.requesters]}
            onChange={(requesters) => set({ requesters })}
            error={wrong("terms.requesters")}
            searchable
            clearable
          />
          <Group grow align="flex-start">
            <NumberInput
              label="How many must agree"
              min={0}
              max={9}
              value={stage?.votes ?? 0}
              onChange={(votes) => (Number(votes) > 0 ? one({ votes: Number(votes) }) : set({ approvals: [] }))}
              error={wrong("terms.approvals[0].votes")}
            />
            <MultiSelect
              label="Of which groups"
              placeholder={stage && stage.groups.length > 0 ? "" : "Every approver"}
              data={names}
              value={[...(stage?.groups ?? [])]}
              onChange={(chosen) => one({ groups: chosen })}
              searchable
              clearable
              disabled={!stage}
            />
          </Group>
          <Group grow align="flex-start">
            <TextInput label="For how long" value={terms.default_duration} onChange={(event) => set({ default_duration: event.currentTarget.value })} error={wrong("terms.default_duration")} />
            <TextInput label="At most" value={terms.maximum_duration} onChange={(event) => set({ maximum_duration: event.currentTarget.value })} error={wrong("terms.maximum_duration")} />
          </Group>
          <Group grow align="flex-start">
            <Select label="Reason" data={MODES} value={terms.reason} onChange={(reason) => set({ reason: reason as Terms["reason"] })} />
            <Select label="Ticket" data={MODES} value={terms.ticket} onChange={(ticket) => set({ ticket: ticket as Terms["ticket"] })} />
          </Group>
          {terms.ticket === "none" ? null : (
            <TextInput
              label="What a ticket looks like"
              description="A regular expression; left empty, anything"
              placeholder="CHG[0-9]{7}"
              value={terms.ticket_pattern ?? ""}
              onChange={(event) => set({ ticket_pattern: event.currentTarget.value || null })}
              error={wrong("terms.ticket_pattern")}
              classNames={{ input: "mono" }}
            />
          )}
          <Select
            label="Recording"
            data={[
              { value: "required", label: "Required: without it nothing opens" },
              { value: "best-effort", label: "Where possible" },
              { value: "off", label: "Off" },
            ]}
            value={terms.recording}
            onChange={(recording) => set({ recording: recording as Terms["recording"] })}
          />
          <Group grow align="flex-start">
            <TextInput
              label="A yes needs a second factor of the last"
              description="10m for example; left empty, none"
              value={terms.approve_factor_within ?? ""}
              onChange={(event) => set({ approve_factor_within: event.currentTarget.value || null })}
              error={wrong("terms.approve_factor_within")}
            />
            {terms.reveal === "never" ? null : (
              <TextInput
                label="Seeing the secret needs one of the last"
                description="5m for example; left empty, none"
                value={terms.reveal_factor_within ?? ""}
                onChange={(event) => set({ reveal_factor_within: event.currentTarget.value || null })}
                error={wrong("terms.reveal_factor_within")}
              />
            )}
          </Group>
          <Group>
            <Switch label="One holder at a time" checked={terms.exclusive} onChange={(event) => set({ exclusive: event.currentTarget.checked })} />
            <Switch label="May be extended" checked={terms.extension} onChange={(event) => set({ extension: event.currentTarget.checked })} />
            <Switch label="Admins approve too" checked={terms.admins_approve} onChange={(event) => set({ admins_approve: event.currentTarget.checked })} />
          </Group>
          <div className="card" role="status">
            <Title order={3} size="h6">
              In plain words
            </Title>
            <ul className="words">
              {inWords(terms).map((line) => (
                <li key={line}>{line}</li>
              ))}
            </ul>
          </div>
        </>
      )}
    </FormDialog>
  );
}
