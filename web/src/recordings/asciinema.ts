// The terminal player, in a part of its own.

import * as AsciinemaPlayer from "asciinema-player";
import "asciinema-player/dist/bundle/asciinema-player.css";

export function create(address: string, place: HTMLElement, speed: number, skip: boolean, startAt: number): { dispose: () => void } {
  return AsciinemaPlayer.create(address, place, {
    fit: "width",
    speed,
    ...(startAt > 0 ? { startAt, poster: `npt:${startAt}` } : {}),
    ...(skip ? { idleTimeLimit: 2 } : {}),
    terminalFontFamily: 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace',
    theme: "asciinema",
  });
}
