// One recording, as a line that leads to its player.

import { Button, Text } from "@mantine/core";

import type { Recording } from "../api/types";
import { Icon } from "../parts/Icon";
import { Moment } from "../parts/Moment";
import { spanInWords } from "../text/span";
import { size } from "../text/words";

export const KINDS: Record<string, string> = {
  terminal: "Terminal",
  command: "Command",
  subsystem: "Subsystem",
  requests: "Requests",
  desktop: "Desktop",
};

export function RecordingLine({ recording }: { recording: Recording }) {
  return (
    <article className="card">
      <div className="card-head">
        <div className="card-main">
          <Text fw={600}>
            {KINDS[recording.kind] ?? recording.kind} of {recording.user_name} on {recording.target_name}
          </Text>
          <Text size="sm" c="dimmed">
            <Moment at={recording.started_at} />
            {recording.duration_s == null ? " · still going on" : ` · ${spanInWords(recording.duration_s)}`} ·{" "}
            {size(recording.bytes)}
            {recording.state === "cut-short" ? " · cut short" : ""}
          </Text>
        </div>
        <div className="card-end">
          <Watch recording={recording} />
        </div>
      </div>
    </article>
  );
}

/** The player may run what no other page may, so its page is loaded anew. */
export function Watch({ recording }: { recording: Recording }) {
  if (recording.state === "deleted") return <>deleted</>;
  return (
    <Button
      component="a"
      href={`/recordings/${recording.id}`}
      size="xs"
      variant="light"
      leftSection={<Icon sign="play" size={14} />}
      aria-label={`Watch the recording of ${recording.user_name} on ${recording.target_name}`}
    >
      Watch
    </Button>
  );
}
