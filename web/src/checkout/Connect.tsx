// How to get in: the lines to paste, the address to open, the secret to see.

import { Anchor, Button, Stack, Text } from "@mantine/core";

import { useSsh, useTargets } from "../api/queries";
import type { Checkout, SshFacts } from "../api/types";
import { CopyLine } from "../parts/Copy";
import { Icon } from "../parts/Icon";
import { Shown } from "../parts/State";
import { useWho } from "../shell/me";
import { type SshPlace, jumpLine, knownHosts, sshConfig, sshLine } from "../text/ssh";
import { ByRdp } from "./ByRdp";
import { Reveal } from "./Reveal";

interface Props {
  checkout: Checkout;
  protocol: string | undefined;
  shown: boolean;
}

export function Connect({ checkout, protocol, shown }: Props) {
  if (!shown) return null;
  if (checkout.asked === "reveal") return <Reveal checkout={checkout} />;
  if (protocol === "rdp") return <Desktop checkout={checkout} />;
  return protocol === "web" ? <ByWeb checkout={checkout} /> : <BySsh checkout={checkout} />;
}

/** The account is named where the target has several that I may use. */
function useAccount(checkout: Checkout): string | undefined {
  const targets = useTargets();
  const target = targets.data?.items.find((one) => one.name === checkout.target_name);
  return target && target.accounts.length === 1 ? undefined : checkout.account_name;
}

function Desktop({ checkout }: { checkout: Checkout }) {
  return <ByRdp checkout={checkout} account={useAccount(checkout)} />;
}

function BySsh({ checkout }: { checkout: Checkout }) {
  const me = useWho();
  const facts = useSsh();
  const account = useAccount(checkout);
  const place = (of: SshFacts): SshPlace => ({
    user: me.name,
    gateway: me.gateway.ssh,
    domain: of.domain,
    authority: of.host_authority,
  });
  return (
    <Stack gap="sm" mt="md">
      <div>
        <Text size="sm" fw={600} mb={4}>
          In a terminal
        </Text>
        <CopyLine
          label="the ssh command"
          text={sshLine(
            { user: me.name, gateway: me.gateway.ssh, domain: "", authority: "" },
            checkout.target_name,
            account,
          )}
        />
      </div>
      <details>
        <summary>By name: scp, rsync, git, VS Code, Ansible</summary>
        <Shown of={facts} rows={1}>
          {(of) => (
            <Stack gap="xs" mt="xs">
              <Text size="sm">
                Once in <span className="code">~/.ssh/known_hosts</span>:
              </Text>
              <CopyLine label="the line for known_hosts" text={knownHosts(place(of))} />
              <Text size="sm">
                and in <span className="code">~/.ssh/config</span>:
              </Text>
              <CopyLine label="the lines for ssh_config" text={sshConfig(place(of))} />
              <Text size="sm">Then every target is a host of its own:</Text>
              <CopyLine label="the ssh command by name" text={jumpLine(place(of), checkout.target_name, account)} />
            </Stack>
          )}
        </Shown>
      </details>
    </Stack>
  );
}

function useAddress(checkout: Checkout): string {
  const { web } = useWho().gateway;
  return `https://${checkout.target_name}.${web.domain}${web.port === 443 ? "" : `:${web.port}`}/`;
}

export function OpenWeb({ checkout }: { checkout: Checkout }) {
  const address = useAddress(checkout);
  return (
    <Button
      component="a"
      href={address}
      target="_blank"
      rel="noopener"
      size="sm"
      rightSection={<Icon sign="open" size={16} />}
      aria-label={`Open ${checkout.target_name} in a new window`}
    >
      Open {checkout.target_name}
    </Button>
  );
}

function ByWeb({ checkout }: { checkout: Checkout }) {
  const address = useAddress(checkout);
  return (
    <Stack gap="sm" mt="md">
      <div>
        <Text size="sm" fw={600} mb={4}>
          In a browser
        </Text>
        <Anchor href={address} target="_blank" rel="noopener" size="sm">
          {address}
        </Anchor>
      </div>
      <div>
        <Text size="sm" fw={600} mb={4}>
          For programs: a port of your own machine
        </Text>
        <CopyLine label="the command that opens a port" text={`doorward web ${checkout.target_name}`} />
      </div>
    </Stack>
  );
}
