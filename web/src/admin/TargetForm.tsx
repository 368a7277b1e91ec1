// Entering a target, or changing one. An SSH target's host keys are looked at from here, to be
// compared with what the target itself says.

import { Button, Group, SegmentedControl, Select, Stack, Switch, TagsInput, Text, TextInput, Textarea } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { usePolicies } from "../api/queries";
import type { Target } from "../api/types";
import { FormDialog } from "../parts/FormDialog";
import { Failed } from "../parts/State";

const PORTS: Record<string, number> = { ssh: 22, web: 443, rdp: 3389 };

export function TargetForm({ target, onClose }: { target?: Target; onClose: () => void }) {
  const policies = usePolicies();
  const [name, setName] = useState(target?.name ?? "");
  const [protocol, setProtocol] = useState<string>(target?.protocol ?? "ssh");
  const [address, setAddress] = useState(target?.address ?? "");
  const [tls, setTls] = useState(target?.web?.tls ?? true);
  const [security, setSecurity] = useState<string>(target?.rdp?.security ?? "nla");
  const [keys, setKeys] = useState((target?.host_keys ?? []).join("\n"));
  const [policy, setPolicy] = useState<string | null>(target?.policy ?? "");
  const [description, setDescription] = useState(target?.description ?? "");
  const [labels, setLabels] = useState<string[]>(target?.labels ?? []);
  const scan = useAction((of: string) => told(api.POST("/api/v1/host-keys/scan", { body: { address: of } })), []);

  const web = protocol === "web";
  const rdp = protocol === "rdp";
  const body = {
    address: address.includes(":") ? address : `${address}:${PORTS[protocol]}`,
    host_keys: keys.split("\n").map((line) => line.trim()).filter(Boolean),
    policy: policy || null,
    description,
    labels,
    ...(web ? { web: { ...target?.web, tls } } : {}),
    ...(rdp ? { rdp: { ...target?.rdp, security } } : {}),
  };
  const save = useAction(
    () =>
      target
        ? told(api.PATCH("/api/v1/targets/{name}", { params: { path: { name: target.name } }, body: body as never }))
        : told(api.POST("/api/v1/targets", { body: { name, ...body } as never })),
    ["target"],
  );
  const look = () => scan.mutate(body.address, { onSuccess: ({ host_keys }) => setKeys(host_keys.map(({ key }) => key).join("\n")) });

  return (
    <FormDialog title={target ? `Change ${target.name}` : "Add a target"} verb={target ? "Save" : "Add it"} onClose={onClose} run={() => save.mutateAsync(undefined)}>
      {(wrong) => (
        <>
          {target ? null : (
            <>
              <SegmentedControl
                aria-label="What it speaks"
                data={[
                  { value: "ssh", label: "SSH" },
                  { value: "web", label: "Web" },
                  { value: "rdp", label: "RDP" },
                ]}
                value={protocol}
                onChange={setProtocol}
              />
              <TextInput
                label="Name"
                description="As people will type it: small letters, digits and hyphens"
                placeholder="db1"
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
                error={wrong("name")}
                required
                data-autofocus
              />
            </>
          )}
          <TextInput
            label="Address"
            placeholder={web ? "grafana.internal:443" : rdp ? "win1.example.org:3389" : "db1.example.org:22"}
            value={address}
            onChange={(event) => setAddress(event.currentTarget.value)}
            error={wrong("address")}
            required
          />
          {web ? (
            <Switch
              label="Spoken to with TLS"
              description="Without, whoever is between the gateway and the target reads along"
              checked={tls}
              onChange={(event) => setTls(event.currentTarget.checked)}
            />
          ) : null}
          {rdp ? (
            <Select
              label="How the gateway signs in there"
              data={[
                { value: "nla", label: "Network level authentication (Windows)" },
                { value: "tls", label: "TLS alone (xrdp)" },
              ]}
              value={security}
              onChange={(chosen) => setSecurity(chosen ?? "nla")}
              error={wrong("rdp.security")}
            />
          ) : null}
          {web && !tls ? null : (
            <Stack gap={6}>
              <Textarea
                label={web || rdp ? "Pins" : "Host keys"}
                description={
                  web || rdp
                    ? "sha256//… of its public key, or @cert-authority …; one a line. Nothing pinned, nobody gets through."
                    : "One a line. Nothing pinned, nobody gets through."
                }
                value={keys}
                onChange={(event) => setKeys(event.currentTarget.value)}
                error={wrong("host_keys")}
                autosize
                minRows={2}
                maxRows={6}
                classNames={{ input: "mono" }}
              />
              {web || rdp ? null : (
                <Group>
                  <Button variant="default" size="xs" disabled={!address} loading={scan.isPending} onClick={look}>
                    Look at them from here
                  </Button>
                  {scan.data ? (
                    <Text size="xs" c="dimmed">
                      Compare: {scan.data.host_keys.map((key) => key.fingerprint).join(", ")}
                    </Text>
                  ) : null}
                </Group>
              )}
              <Failed error={scan.error} />
            </Stack>
          )}
          <Select
            label="Policy"
            data={[{ value: "", label: "The default" }, ...(policies.data?.items ?? []).map((one) => one.name)]}
            value={policy}
            onChange={setPolicy}
          />
          <TextInput label="Description" value={description} onChange={(event) => setDescription(event.currentTarget.value)} />
          <TagsInput label="Labels" value={labels} onChange={setLabels} />
        </>
      )}
    </FormDialog>
  );
}
