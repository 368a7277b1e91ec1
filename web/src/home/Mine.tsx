// What I hold and what I wait for.

import { Button, Title } from "@mantine/core";
import { Link } from "react-router";

import { useCheckouts } from "../api/queries";
import { CheckoutCard } from "../checkout/CheckoutCard";
import { Icon } from "../parts/Icon";
import { Nothing, Shown } from "../parts/State";

const ORDER = ["active", "approved", "requested"];

export function Mine() {
  const mine = useCheckouts({ view: "mine", state: ORDER.join(","), limit: "50" });
  return (
    <section className="section" aria-labelledby="mine">
      <div className="section-head">
        <Title order={2} size="h4" id="mine">
          My check-outs
        </Title>
        <Button component={Link} to="/checkouts?view=mine" variant="subtle" size="compact-sm" rightSection={<Icon sign="right" size={14} />}>
          All of mine
        </Button>
      </div>
      <Shown of={mine} rows={1}>
        {({ items }) =>
          items.length > 0 ? (
            [...items]
              .sort((a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status))
              .map((checkout) => <CheckoutCard key={checkout.id} checkout={checkout} />)
          ) : (
            <Nothing sign="door" title="You hold nothing right now">
              Choose a target below and ask for it. As soon as somebody approves, it opens here.
            </Nothing>
          )
        }
      </Shown>
    </section>
  );
}
