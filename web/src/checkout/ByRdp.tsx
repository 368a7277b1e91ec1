// The way in for an RDP client: where, as whom, the one-time secret, and a file that knows the
// first two. Asked for by a click, because it is written down, and gone with the page.

import { Button, Group, Stack, Text } from "@mantine/core";

import { useRdp } from "../api/actions";
import type { Checkout } from "../api/types";
import { CopyLine } from "../parts/Copy";
import { Icon } from "../parts/Icon";
import { Moment } from "../parts/Moment";
import { Failed } from "../parts/State";
import { rdpFile } from "../text/rdp";

export function ByRdp({ checkout, account }: { checkout: Checkout; account: string | undefined }) {
  const show = useRdp(checkout.id);
  const way = show.data;
  const of = account ? ` --account ${account}` : "";
  return (
    <Stack gap="sm" mt="md" align="stretch">
      <Text size="sm">Here, without any client:</Text>
      <Group>
        <OpenDesktop code={checkout.code} />
      </Group>
      {way ? (
        <>
          <Text size="sm">Computer</Text>
          <CopyLine label="the computer" text={way.address} />
          <Text size="sm">User name</Text>
          <CopyLine label="the user name" text={way.login} />
          <Text size="sm">
            Password, good until <Moment at={way.ends_at} />
          </Text>
          <CopyLine label="the one-time secret" text={way.secret} />
          <Group gap="sm">
            <Button
              size="sm"
              leftSection={<Icon sign="download" size={16} />}
              onClick={() => save(`${checkout.target_name}.rdp`, rdpFile(way.address, way.login))}
            >
              Download the .rdp file
            </Button>
            <Button variant="default" size="sm" onClick={() => show.reset()}>
              Hide it
            </Button>
          </Group>
        </>
      ) : (
        <>
          <Text size="sm">
            With any RDP client: the gateway asks for a secret that is made for this check-out and ends with it. That you saw it is
            written down.
          </Text>
          <Group>
            <Button variant="default" leftSection={<Icon sign="key" size={16} />} loading={show.isPending} onClick={() => show.mutate(undefined)}>
              Show the way in
            </Button>
          </Group>
          <Failed error={show.error} />
        </>
      )}
      <div>
        <Text size="sm" fw={600} mb={4}>
          The same in a terminal
        </Text>
        <CopyLine label="the command that shows the way in" text={`doorward rdp ${checkout.target_name}${of}`} />
      </div>
    </Stack>
  );
}

/** An address of its own and a page of its own: no other one may run what draws a desktop. */
function OpenDesktop({ code }: { code: string }) {
  return (
    <Button
      component="a"
      href={`/checkouts/${code}/desktop`}
      target="_blank"
      rel="noopener"
      leftSection={<Icon sign="monitor" size={16} />}
    >
      Open in the browser
    </Button>
  );
}

/** Nothing of it goes anywhere: the browser writes what it has. */
function save(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: "application/x-rdp" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  URL.revokeObjectURL(address);
}
