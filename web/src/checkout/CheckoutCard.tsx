// One of my check-outs: how long it lasts, how to get in, how to end it.

import { Button, Collapse, Group, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useState } from "react";
import { Link } from "react-router";

import { useTargets } from "../api/queries";
import type { Checkout } from "../api/types";
import { Countdown, TimeBar } from "../parts/Countdown";
import { Icon, protocolSign } from "../parts/Icon";
import { Status } from "../parts/Status";
import { wordsOf } from "../text/span";
import { when } from "../text/time";
import { CancelDialog, CheckInDialog } from "./Dialogs";
import { Connect, OpenWeb } from "./Connect";
import { ExtendDialog } from "./ExtendDialog";
import { grantOf, whatOf } from "./facts";

export function CheckoutCard({ checkout }: { checkout: Checkout }) {
  const targets = useTargets();
  const target = targets.data?.items.find((one) => one.name === checkout.target_name);
  const grant = grantOf(checkout);
  const active = checkout.status === "active";
  return (
    <article
      className={`card ${active ? "card-active" : "card-waits"}`}
      aria-label={`${whatOf(checkout)}, check-out ${checkout.code}`}
    >
      <div className="card-head">
        <span className="sign">
          <Icon sign={protocolSign(target?.protocol)} />
        </span>
        <div className="card-main">
          <Link className="card-title" to={`/checkouts/${checkout.code}`}>
            {whatOf(checkout)}
          </Link>
          <Group gap={8}>
            <Status status={checkout.status} />
            <Text size="sm" c="dimmed">
              <span className="code">{checkout.code}</span>
              {checkout.ticket ? ` · ${checkout.ticket}` : ""}
            </Text>
          </Group>
        </div>
        <div className="card-end">
          {active && grant ? (
            <>
              <div className="big-time">
                <Countdown until={grant.ends_at} />
              </div>
              <Text size="xs" c="dimmed">
                left, until {when(grant.ends_at)}
              </Text>
            </>
          ) : (
            <Text size="sm" c="dimmed">
              {grant ? `opens ${when(grant.starts_at)}` : <Waiting checkout={checkout} />}
            </Text>
          )}
        </div>
      </div>
      {active && grant ? (
        <div style={{ marginTop: 12 }}>
          <TimeBar from={grant.starts_at} until={grant.ends_at} label={`Time left of ${whatOf(checkout)}`} />
        </div>
      ) : null}
      {checkout.extension ? (
        <Text size="sm" mt="xs">
          <Icon sign="clock" size={14} /> You asked for {wordsOf(checkout.extension.duration)} more; nobody has answered yet.
        </Text>
      ) : null}
      <Doing checkout={checkout} protocol={target?.protocol} />
    </article>
  );
}

function Waiting({ checkout }: { checkout: Checkout }) {
  return (
    <>
      {checkout.approver ? `waits for ${checkout.approver}` : "waits for an approver"}, lapses in{" "}
      <Countdown until={checkout.lapses_at} over="a moment" />
    </>
  );
}

/** What its holder can do with it. */
export function Doing({ checkout, protocol, open = false }: { checkout: Checkout; protocol: string | undefined; open?: boolean }) {
  const [connecting, { toggle }] = useDisclosure(open);
  const [dialog, setDialog] = useState<"extend" | "check-in" | "cancel">();
  const close = () => setDialog(undefined);
  const active = checkout.status === "active";
  const uses = checkout.asked !== "reveal";
  return (
    <>
      <Group gap="xs" mt="sm" className="acts">
        {active && uses && protocol === "web" ? <OpenWeb checkout={checkout} /> : null}
        {active ? (
          <Button
            size="sm"
            variant={protocol === "web" && uses ? "default" : "filled"}
            onClick={toggle}
            aria-expanded={connecting}
            leftSection={<Icon sign={uses ? protocolSign(protocol) : "key"} size={16} />}
          >
            {!uses ? "See the secret" : protocol === "web" ? "Other ways" : "Connect"}
          </Button>
        ) : null}
        {active && checkout.terms.extension && !checkout.extension ? (
          <Button size="sm" variant="default" onClick={() => setDialog("extend")}>
            Extend
          </Button>
        ) : null}
        {active ? (
          <Button size="sm" variant="default" onClick={() => setDialog("check-in")}>
            Check in
          </Button>
        ) : (
          <Button size="sm" variant="default" onClick={() => setDialog("cancel")}>
            Take back
          </Button>
        )}
      </Group>
      {active ? (
        <Collapse expanded={connecting}>
          <Connect checkout={checkout} protocol={protocol} shown={connecting} />
        </Collapse>
      ) : null}
      <ExtendDialog checkout={checkout} opened={dialog === "extend"} onClose={close} />
      <CheckInDialog checkout={checkout} opened={dialog === "check-in"} onClose={close} />
      <CancelDialog checkout={checkout} opened={dialog === "cancel"} onClose={close} />
    </>
  );
}
