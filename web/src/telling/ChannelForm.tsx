// Entering a channel, or changing one. Its secret is sealed by the gateway and comes back to nobody.

import { MultiSelect, NumberInput, PasswordInput, SegmentedControl, Select, Stack, Switch, TagsInput, TextInput, Textarea } from "@mantine/core";
import { useState } from "react";

import { useAction } from "../api/actions";
import { api, told } from "../api/client";
import { useGroups, useTargets } from "../api/queries";
import type { Channel } from "../api/types";
import { FormDialog } from "../parts/FormDialog";
import { EVENTS, KINDS } from "./words";

const SECURITY = [
  { value: "starttls", label: "STARTTLS, and not without" },
  { value: "tls", label: "TLS from the first byte" },
  { value: "none", label: "In the clear, without a password" },
];

const SECRET: Record<Channel["kind"], { label: string; description: string }> = {
  email: { label: "Password", description: "Of that log-in at the mail server" },
  webhook: { label: "Secret", description: "Left empty, the gateway makes one and shows it once" },
  slack: { label: "Address", description: "Of the incoming webhook: whoever knows it can write there" },
  teams: { label: "Address", description: "Of the workflow's webhook: whoever knows it can write there" },
};

interface Props {
  channel?: Channel;
  onMade: (made: Channel) => void;
  onClose: () => void;
}

export function ChannelForm({ channel, onMade, onClose }: Props) {
  const targets = useTargets();
  const groups = useGroups();
  const [name, setName] = useState(channel?.name ?? "");
  const [kind, setKind] = useState<Channel["kind"]>(channel?.kind ?? "email");
  const [events, setEvents] = useState<string[]>([...(channel?.events ?? [])]);
  const [about, setAbout] = useState<string[]>([...(channel?.targets ?? [])]);
  const [labels, setLabels] = useState<string[]>([...(channel?.labels ?? [])]);
  const [of, setOf] = useState<string[]>([...(channel?.groups ?? [])]);
  const [host, port] = split(channel?.email?.relay);
  const [relay, setRelay] = useState(host);
  const [at, setAt] = useState<number | string>(port);
  const [security, setSecurity] = useState<string>(channel?.email?.security ?? "starttls");
  const [login, setLogin] = useState(channel?.email?.login ?? "");
  const [from, setFrom] = useState(channel?.email?.from ?? "");
  const [url, setUrl] = useState(channel?.hook?.url ?? "");
  const [ca, setCa] = useState(channel?.email?.ca ?? channel?.hook?.ca ?? "");
  const [local, setLocal] = useState(channel?.email?.allow_local ?? channel?.hook?.allow_local ?? false);
  const [secret, setSecret] = useState("");

  const mail = kind === "email";
  const shared = { ...(ca.trim() ? { ca: ca.trim() } : {}), allow_local: local };
  const settings = mail
    ? {
        email: {
          relay: `${relay.includes(":") && !relay.startsWith("[") ? `[${relay}]` : relay}:${at}`,
          security,
          ...(login ? { login } : {}),
          from,
          subscriptions: channel?.email?.subscriptions ?? [],
          ...shared,
        },
      }
    : { hook: { ...(kind === "webhook" ? { url } : {}), ...shared } };
  const body = { events, targets: about, labels, groups: of, ...settings, ...(secret ? { secret } : {}) };
  const save = useAction(
    () =>
      channel
        ? told<Channel>(api.PATCH("/api/v1/channels/{name}", { params: { path: { name: channel.name } }, body: body as never }) as never)
        : told<Channel>(api.POST("/api/v1/channels", { body: { name, kind, ...body } as never }) as never),
    ["channel"],
  );
  const chat = kind === "slack" || kind === "teams";
  const wantsSecret = !mail || Boolean(login);

  return (
    <FormDialog
      title={channel ? `Change ${channel.name}` : "Add a channel"}
      verb={channel ? "Save" : "Add it"}
      onClose={onClose}
      run={() => save.mutateAsync(undefined).then(onMade)}
    >
      {(wrong) => (
        <>
          {channel ? null : (
            <>
              <SegmentedControl aria-label="Kind" data={KINDS} value={kind} onChange={(chosen) => setKind(chosen as Channel["kind"])} />
              <TextInput
                label="Name"
                description="Small letters, digits and hyphens"
                placeholder={mail ? "mail" : "soc"}
                value={name}
                onChange={(event) => setName(event.currentTarget.value)}
                error={wrong("name")}
                required
                data-autofocus
              />
            </>
          )}
          {mail ? (
            <>
              <div className="side-by-side">
                <TextInput
                  label="Mail server"
                  placeholder="mail.example.org"
                  value={relay}
                  onChange={(event) => setRelay(event.currentTarget.value)}
                  error={wrong("email.relay")}
                  required
                />
                <NumberInput label="Port" value={at} onChange={setAt} min={1} max={65535} hideControls allowDecimal={false} w={110} required />
              </div>
              <Select label="How it is spoken to" data={SECURITY} value={security} onChange={(it) => setSecurity(it ?? "starttls")} error={wrong("email.security")} />
              <TextInput
                label="Sender"
                type="email"
                placeholder="doorward@example.org"
                value={from}
                onChange={(event) => setFrom(event.currentTarget.value)}
                error={wrong("email.from")}
                required
              />
              <TextInput
                label="Log-in"
                description="Left empty, the gateway does not sign in there"
                value={login}
                onChange={(event) => setLogin(event.currentTarget.value)}
                error={wrong("email.login")}
                autoComplete="off"
              />
            </>
          ) : null}
          {kind === "webhook" ? (
            <TextInput
              label="Address"
              placeholder="https://soc.example.org/hooks/doorward"
              value={url}
              onChange={(event) => setUrl(event.currentTarget.value)}
              error={wrong("hook.url")}
              required
            />
          ) : null}
          {wantsSecret ? (
            <PasswordInput
              {...SECRET[kind]}
              placeholder={channel?.has_secret ? "Stays as it is" : ""}
              value={secret}
              onChange={(event) => setSecret(event.currentTarget.value)}
              error={wrong("secret")}
              required={chat && !channel}
              autoComplete="new-password"
              visibilityToggleButtonProps={{ "aria-label": `Show the ${SECRET[kind].label.toLowerCase()}` }}
            />
          ) : null}
          <MultiSelect
            label="Events"
            placeholder={events.length > 0 ? "" : "All"}
            description={mail ? "Each goes to those whom it concerns" : undefined}
            data={EVENTS}
            value={events}
            onChange={setEvents}
            clearable
          />
          <MultiSelect
            label="About these targets"
            placeholder={about.length > 0 ? "" : "All"}
            data={(targets.data?.items ?? []).map((target) => target.name)}
            value={about}
            onChange={setAbout}
            searchable
            clearable
          />
          <TagsInput label="Or with these labels" value={labels} onChange={setLabels} />
          <MultiSelect
            label="Asked for by members of"
            placeholder={of.length > 0 ? "" : "Any group"}
            data={(groups.data?.items ?? []).map((group) => group.name)}
            value={of}
            onChange={setOf}
            searchable
            clearable
          />
          <Textarea
            label="Authority"
            description="Who vouches for the server, in PEM; left empty, those that the gateway's machine trusts"
            value={ca}
            onChange={(event) => setCa(event.currentTarget.value)}
            error={wrong(mail ? "email.ca" : "hook.ca")}
            autosize
            minRows={1}
            maxRows={6}
            spellCheck={false}
            classNames={{ input: "mono" }}
          />
          <Stack gap={4}>
            <Switch
              label="May be the gateway itself, or a link-local address"
              description="Only where that is meant: there is much to be read at such addresses"
              checked={local}
              onChange={(event) => setLocal(event.currentTarget.checked)}
            />
          </Stack>
        </>
      )}
    </FormDialog>
  );
}

function split(relay: string | undefined): [string, number] {
  const end = relay?.lastIndexOf(":") ?? -1;
  if (!relay || end < 0) return ["", 587];
  return [relay.slice(0, end).replace(/^\[|\]$/g, ""), Number(relay.slice(end + 1))];
}
