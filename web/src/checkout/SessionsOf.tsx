// The sessions under one check-out, the live ones first.

import { Title } from "@mantine/core";

import { useRecordings, useSessions } from "../api/queries";
import type { Checkout } from "../api/types";
import { Nothing, Shown } from "../parts/State";
import { RecordingLine } from "../recordings/RecordingLine";
import { LiveSession } from "../sessions/LiveSession";

export function SessionsOf({ checkout }: { checkout: Checkout }) {
  const sessions = useSessions({ checkout: checkout.code, limit: "50" });
  const recordings = useRecordings({ checkout: checkout.code, limit: "50" });
  if (checkout.status === "requested") return null;
  return (
    <section aria-labelledby="sessions">
      <Title order={2} size="h5" id="sessions" mb="sm">
        Sessions
      </Title>
      <Shown of={sessions} rows={1}>
        {({ items }) =>
          items.length > 0 ? (
            [...items]
              .sort((a, b) => Number(b.live) - Number(a.live))
              .map((session) => <LiveSession key={session.id} session={session} />)
          ) : (
            <Nothing sign="terminal" title="No session was opened under it yet" />
          )
        }
      </Shown>
      {recordings.data && recordings.data.items.length > 0 ? (
        <>
          <Title order={2} size="h5" mt="lg" mb="sm">
            Recordings
          </Title>
          {recordings.data.items.map((recording) => (
            <RecordingLine key={recording.id} recording={recording} />
          ))}
        </>
      ) : null}
    </section>
  );
}
