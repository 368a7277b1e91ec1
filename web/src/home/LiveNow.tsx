// What is open right now, for those who look after it.

import { Button, Title } from "@mantine/core";
import { Link } from "react-router";

import { useSessions } from "../api/queries";
import { Icon } from "../parts/Icon";
import { Nothing, Shown } from "../parts/State";
import { LiveSession } from "../sessions/LiveSession";

export function LiveNow() {
  const live = useSessions({ live: "true", limit: "20" });
  return (
    <section className="section" aria-labelledby="live">
      <div className="section-head">
        <Title order={2} size="h4" id="live">
          Open right now
        </Title>
        <Button component={Link} to="/sessions" variant="subtle" size="compact-sm" rightSection={<Icon sign="right" size={14} />}>
          All sessions
        </Button>
      </div>
      <Shown of={live} rows={1}>
        {({ items }) =>
          items.length > 0 ? (
            items.map((session) => <LiveSession key={session.id} session={session} />)
          ) : (
            <Nothing sign="terminal" title="No session is open" />
          )
        }
      </Shown>
    </section>
  );
}
