// What a desktop showed, played on a canvas. It is read while it is shown, from wherever one seeks.

import { ActionIcon, Group, Select, Slider, Switch, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";

import type { Recording } from "../api/types";
import { Icon } from "../parts/Icon";
import { Failed } from "../parts/State";
import { type Moment, black, isShown, moment, pointed, shown } from "./film";

/** So many seconds nothing need happen before they are skipped. */
const PAUSE = 2;
/** Lines that are read ahead of what is shown. */
const AHEAD = 400;
/** Lines beside the picture that a page still shows. */
const MOST_LINES = 500;

interface Line {
  at: number;
  text: string;
}

export function DesktopPlayer({ recording }: { recording: Recording }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const pointer = useRef<HTMLDivElement>(null);
  const pace = useRef({ playing: true, speed: 1, skip: true });
  const [from, setFrom] = useState(0);
  const [position, setPosition] = useState(0);
  const [length, setLength] = useState(recording.duration_s ?? 0);
  const [playing, setPlaying] = useState(true);
  const [speed, setSpeed] = useState("1");
  const [skip, setSkip] = useState(true);
  const [lines, setLines] = useState<Line[]>([]);
  const [error, setError] = useState<unknown>();
  pace.current = { playing, speed: Number(speed), skip };

  useEffect(() => {
    const stop = new AbortController();
    const place = canvas.current;
    if (!place) return;
    setLines([]);
    setError(undefined);
    play(`/api/v1/recordings/${recording.id}/frames?from=${from}`, from, place, pointer.current, pace, stop.signal, {
      at: (now, end) => {
        setPosition(now);
        setLength((before) => Math.max(before, end));
      },
      says: (line) => setLines((before) => [...before.slice(-MOST_LINES), line]),
      ended: () => setPlaying(false),
    }).catch((problem: unknown) => {
      if (!stop.signal.aborted) setError(problem);
    });
    return () => stop.abort();
  }, [recording.id, from]);

  const seek = (to: number) => {
    setPlaying(true);
    // Where it was sought before is another moment by now.
    setFrom(to === from ? to + 0.001 : to);
  };
  return (
    <>
      <Failed error={error} />
      <div className="player desktop-player">
        <canvas ref={canvas} aria-label={`Screen of ${recording.target_name}`} role="img" />
        <div ref={pointer} className="desktop-pointer" hidden />
      </div>
      <Group mt="sm" gap="md" wrap="nowrap">
        <ActionIcon
          variant="default"
          size="lg"
          aria-label={playing ? "Pause" : "Play"}
          onClick={() => (!playing && position >= length ? seek(0) : setPlaying(!playing))}
        >
          <Icon sign={playing ? "stop" : "play"} />
        </ActionIcon>
        <Slider
          aria-label="Position"
          style={{ flex: 1 }}
          min={0}
          max={Math.max(length, 1)}
          step={0.1}
          value={position}
          onChange={setPosition}
          onChangeEnd={seek}
          label={clock}
        />
        <Text size="sm" className="code">{`${clock(position)} / ${clock(length)}`}</Text>
      </Group>
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
      {lines.length > 0 && (
        <section className="card desktop-lines" aria-label="Typed and copied">
          {lines.map(({ at, text }, index) => (
            <Text key={index} size="sm" className="code">{`${clock(at)}  ${text}`}</Text>
          ))}
        </section>
      )}
    </>
  );
}

interface Told {
  at: (now: number, end: number) => void;
  says: (line: Line) => void;
  ended: () => void;
}

/** Shows the recording at this address until it is over or stopped. */
async function play(
  address: string,
  from: number,
  canvas: HTMLCanvasElement,
  pointer: HTMLElement | null,
  pace: { current: { playing: boolean; speed: number; skip: boolean } },
  signal: AbortSignal,
  tell: Told,
): Promise<void> {
  const response = await fetch(address, { signal });
  if (!response.ok || !response.body) throw new Error("This recording could not be read.");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const waiting: Moment[] = [];
  let rest = "";
  let whole = false;
  const read = async () => {
    while (!whole && waiting.length < AHEAD) {
      const { done, value } = await reader.read();
      const texts = (rest + (value ?? "")).split("\n");
      rest = texts.pop() ?? "";
      for (const text of texts) {
        const one = moment(text);
        if (one) waiting.push(one);
      }
      whole = done;
    }
  };
  let picture = black(1024, 768);
  const brush = canvas.getContext("2d", { alpha: false });
  let position = from;
  let before = performance.now();
  while (!signal.aborted) {
    await read();
    const now = await nextFrame();
    const { playing, speed, skip } = pace.current;
    if (playing) position += ((now - before) / 1000) * speed;
    before = now;
    const next = waiting[0];
    if (playing && skip && next && next.at > position + PAUSE) position = next.at - PAUSE / 2;
    let painted = false;
    while (waiting[0] && waiting[0].at <= position) {
      const one = waiting.shift()!;
      const at = pointed(one);
      if (isShown(one)) {
        picture = shown(picture, one);
        painted = true;
      } else if (at && pointer) {
        pointer.hidden = false;
        pointer.style.left = `${(at[0] / picture.width) * 100}%`;
        pointer.style.top = `${(at[1] / picture.height) * 100}%`;
      } else if (one.code !== "pointer") {
        tell.says({ at: one.at, text: one.data });
      }
    }
    if (painted && brush) {
      if (canvas.width !== picture.width || canvas.height !== picture.height) {
        canvas.width = picture.width;
        canvas.height = picture.height;
      }
      brush.putImageData(new ImageData(picture.pixels, picture.width, picture.height), 0, 0);
    }
    tell.at(position, waiting.at(-1)?.at ?? 0);
    if (whole && waiting.length === 0) {
      tell.ended();
      return;
    }
  }
}

function nextFrame(): Promise<number> {
  return new Promise((resolve) => requestAnimationFrame(resolve));
}

function clock(seconds: number): string {
  const whole = Math.floor(seconds);
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  return whole < 3600 ? minutes : `${Math.floor(whole / 3600)}:${minutes}`;
}
