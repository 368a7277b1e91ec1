// One recording and its player, which is loaded here and nowhere else.

import { Anchor, Button, Group, Select, Switch } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { Link, useParams } from "react-router";

import { Failure } from "../api/client";
import { useRecording } from "../api/queries";
import type { Recording } from "../api/types";
import { Facts } from "../parts/Facts";
import { Icon } from "../parts/Icon";
import { Moment } from "../parts/Moment";
import { Failed, Head, Nothing, Shown } from "../parts/State";
import { useTitle } from "../shell/title";
import { spanInWords } from "../text/span";
import { size } from "../text/words";
import { DesktopPlayer } from "./DesktopPlayer";
import { KINDS } from "./RecordingLine";
import { RequestLog } from "./RequestLog";

export function RecordingPage() {
  const { id = "" } = useParams();
  const recording = useRecording(id);
  useTitle("Recording");
  if (recording.error instanceof Failure && recording.error.status === 404) {
    return <Nothing sign="search" title="There is no such recording that you may see" />;
  }
  return (
    <Shown of={recording}>
      {(one) => (
        <>
          <Head
            title={`${KINDS[one.kind] ?? one.kind} of ${one.user_name} on ${one.target_name}`}
            says={
              <>
                <Moment at={one.started_at} /> · check-out <Anchor component={Link} to={`/checkouts/${one.code}`} underline="always">{one.code}</Anchor>
              </>
            }
          >
            <Button
              component="a"
              href={`/api/v1/recordings/${one.id}/export`}
              download={`${one.id}.cast`}
              variant="default"
              leftSection={<Icon sign="download" size={16} />}
            >
              Take away
            </Button>
          </Head>
          {one.kind === "requests" && one.state !== "deleted" ? (
            <RequestLog recording={one} />
          ) : one.state === "deleted" ? (
            <Nothing sign="play" title="This recording was deleted when its time was over" />
          ) : one.kind === "desktop" ? (
            <DesktopPlayer recording={one} />
          ) : (
            <Player recording={one} />
          )}
          <section className="card" style={{ marginTop: 16 }}>
            <Facts
              of={[
                ["Account", one.account_name],
                ["Lasted", one.duration_s == null ? "still going on" : spanInWords(one.duration_s)],
                ["Size", size(one.bytes)],
                ["Seal (BLAKE3)", one.root ? <span className="code">{one.root.slice(0, 16)}…</span> : null],
                one.failure ? ["Why it is not whole", one.failure] : null,
                one.keep_until ? ["Kept until", <Moment key="k" at={one.keep_until} />] : null,
              ]}
            />
          </section>
        </>
      )}
    </Shown>
  );
}

function Player({ recording }: { recording: Recording }) {
  // Where a search found something: a moment earlier, so that it is seen to come.
  const from = Math.max(0, (Number(new URLSearchParams(location.search).get("at")) || 0) - 2);
  const place = useRef<HTMLDivElement>(null);
  const [speed, setSpeed] = useState("1");
  const [skip, setSkip] = useState(true);
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    let ended = false;
    let player: { dispose: () => void } | undefined;
    const begin = async () => {
      const { create } = await import("./asciinema");
      if (ended || !place.current) return;
      player = create(`/api/v1/recordings/${recording.id}/content`, place.current, Number(speed), skip, from);
    };
    begin().catch(setError);
    return () => {
      ended = true;
      player?.dispose();
    };
  }, [recording.id, speed, skip, from]);
  return (
    <>
      <Failed error={error} />
      <div className="player" ref={place} />
      <Group mt="sm" gap="lg">
        <Select
          aria-label="Speed"
          data={["1", "2", "4", "8"].map((value) => ({ value, label: `Speed ×${value}` }))}
          value={speed}
          onChange={(chosen) => setSpeed(chosen ?? "1")}
          w={130}
        />
        <Switch label="Skip idle time" checked={skip} onChange={(event) => setSkip(event.currentTarget.checked)} />
      </Group>
    </>
  );
}
