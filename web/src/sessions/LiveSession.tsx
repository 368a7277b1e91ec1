// One session, live or over, as a card; a live one can be closed.

import { Button, Text } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";

import { useKill } from "../api/actions";
import type { Session } from "../api/types";
import { Confirm } from "../parts/Confirm";
import { useNow } from "../parts/Countdown";
import { Icon, protocolSign } from "../parts/Icon";
import { Flag } from "../parts/Status";
import { left } from "../text/time";
import { sentence, size } from "../text/words";
import { useIs, useWho } from "../shell/me";

export function LiveSession({ session }: { session: Session }) {
  const now = useNow();
  const since = Date.parse(session.closed_at ?? new Date(now).toISOString()) - Date.parse(session.opened_at);
  return (
    <article className={`card ${session.live ? "card-active" : ""}`} aria-label={`Session of ${session.user_name}`}>
      <div className="card-head">
        <span className="sign">
          <Icon sign={protocolSign(session.protocol)} />
        </span>
        <div className="card-main">
          <Text fw={600}>
            {session.user_name}, {session.account_name} on {session.target_name}
          </Text>
          <Text size="sm" c="dimmed">
            <Link to={`/checkouts/${session.code}`}>{session.code}</Link> · from {session.peer.replace(/:\d+$/, "")} ·{" "}
            <span className="numbers">{left(since)}</span> · {size(session.bytes_in)} in, {size(session.bytes_out)} out ·{" "}
            <Link to={`/sessions/${session.id}/files`}>files</Link>
          </Text>
          {session.live || !session.message ? null : (
            <Text size="sm" c="dimmed">
              {sentence(session.message)}
            </Text>
          )}
        </div>
        <div className="card-end">
          {session.live ? <Kill session={session} /> : <Flag color="gray" says={session.outcome ?? "over"} />}
        </div>
      </div>
    </article>
  );
}

export function Kill({ session }: { session: Session }) {
  const [asking, setAsking] = useState(false);
  const kill = useKill(session.id);
  const me = useWho();
  const may = useIs("approver", "admin") || session.user === me.id;
  if (!may) return null;
  const whose = session.user === me.id ? "your" : `${session.user_name}'s`;
  return (
    <>
      <Button
        size="xs"
        variant="default"
        leftSection={<Icon sign="stop" size={14} />}
        onClick={() => setAsking(true)}
        aria-label={`Close ${whose} session on ${session.target_name}`}
      >
        Close
      </Button>
      <Confirm
        opened={asking}
        onClose={() => setAsking(false)}
        title={`Close ${whose} session on ${session.target_name}?`}
        verb="Close it"
        danger
        message={session.user === me.id ? "" : `Why, for ${session.user_name} to read`}
        run={(message) => kill.mutateAsync(message)}
      >
        It ends now, in the middle of whatever it does. The check-out {session.code} lives on: another session can be
        opened under it.
      </Confirm>
    </>
  );
}
