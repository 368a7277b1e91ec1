// Requests that wait for an answer of mine, with yes and no at hand.

import { Button, Group, Text, Title } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";

import { useApprove } from "../api/actions";
import { useCheckouts } from "../api/queries";
import type { Checkout } from "../api/types";
import { DenyDialog } from "../checkout/Dialogs";
import { whatOf } from "../checkout/facts";
import { Countdown } from "../parts/Countdown";
import { Icon } from "../parts/Icon";
import { Failed, Nothing, Shown } from "../parts/State";
import { ago, gatewayNow } from "../text/time";
import { wordsOf } from "../text/span";

export function Pending() {
  const waiting = useCheckouts({ view: "waiting", limit: "50" });
  return (
    <section className="section" aria-labelledby="pending">
      <div className="section-head">
        <Title order={2} size="h4" id="pending">
          Waiting for your answer
        </Title>
      </div>
      <Shown of={waiting} rows={1}>
        {({ items }) =>
          items.length > 0 ? (
            items.map((checkout) => <Asked key={checkout.id} checkout={checkout} />)
          ) : (
            <Nothing sign="check" title="Nobody waits for you">
              A request appears here in the moment it is made.
            </Nothing>
          )
        }
      </Shown>
    </section>
  );
}

function Asked({ checkout }: { checkout: Checkout }) {
  const approve = useApprove(checkout.id);
  const [denying, setDenying] = useState(false);
  const extension = checkout.extension;
  const length = wordsOf(extension?.duration ?? checkout.duration);
  const asks = extension ? `asks for ${length} more of` : "asks for";
  const reason = extension?.reason || checkout.reason;
  return (
    <article className="card card-waits" aria-label={`${checkout.requester_name}: ${whatOf(checkout)}`}>
      <div className="card-head">
        <div className="card-main">
          <Link className="card-title" to={`/checkouts/${checkout.code}`}>
            {checkout.requester_name} {asks} {whatOf(checkout)}
          </Link>
          <Text size="sm" c="dimmed">
            {extension ? null : <>for {length} · </>}
            {checkout.ticket ? (
              <>
                <span className="code">{checkout.ticket}</span> ·{" "}
              </>
            ) : null}
            {ago(extension?.asked_at ?? checkout.requested_at, gatewayNow())}
            {extension ? null : (
              <>
                {" · lapses in "}
                <Countdown until={checkout.lapses_at} over="a moment" />
              </>
            )}
          </Text>
        </div>
      </div>
      {reason ? <p className="quote">{reason}</p> : null}
      <Group gap="xs" mt="sm" className="acts">
        <Button
          size="sm"
          color="go"
          leftSection={<Icon sign="check" size={16} />}
          loading={approve.isPending}
          onClick={() => approve.mutate({ message: "" })}
        >
          Approve
        </Button>
        <Button size="sm" variant="default" leftSection={<Icon sign="cross" size={16} />} onClick={() => setDenying(true)}>
          Deny
        </Button>
      </Group>
      <Failed error={approve.error} />
      <DenyDialog checkout={checkout} opened={denying} onClose={() => setDenying(false)} />
    </article>
  );
}
