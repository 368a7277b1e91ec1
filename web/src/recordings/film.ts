// A desktop's recording, line by line: what of the screen changed, and what was said beside it. Pure.

import { decompress } from "fzstd";

/** Tiles are squares; those at the right and the bottom are what is left of the picture. */
const TILE = 64;

export interface Moment {
  /** Seconds since the recording began. */
  at: number;
  code: string;
  data: string;
}

export interface Picture {
  width: number;
  height: number;
  /** Red, green, blue and opaque, line by line. */
  pixels: Uint8ClampedArray<ArrayBuffer>;
}

/** One line of a recording; none where it is its header, or torn. */
export function moment(line: string): Moment | undefined {
  try {
    const [at, code, data] = JSON.parse(line) as [unknown, unknown, unknown];
    if (typeof at === "number" && typeof code === "string" && typeof data === "string") return { at, code, data };
  } catch {
    // The end of what a gateway wrote when it was stopped.
  }
  return undefined;
}

export function black(width: number, height: number): Picture {
  const pixels = new Uint8ClampedArray(width * height * 4);
  new Uint32Array(pixels.buffer).fill(0xff000000);
  return { width, height, pixels };
}

export function isShown({ code }: Moment): boolean {
  return code === "r" || code === "key" || code === "tiles";
}

/** Where somebody points. */
export function pointed({ code, data }: Moment): [number, number] | undefined {
  if (code !== "pointer") return undefined;
  const [x, y] = data.split("x").map(Number);
  return x === undefined || y === undefined || Number.isNaN(x + y) ? undefined : [x, y];
}

/** The picture after a line: the same one, changed, unless the screen has another size. */
export function shown(picture: Picture, { code, data }: Moment): Picture {
  if (code === "r") {
    const [width = 0, height = 0] = data.split("x").map(Number);
    return width > 0 && height > 0 ? black(width, height) : picture;
  }
  if (code === "key") new Uint32Array(picture.pixels.buffer).fill(0xff000000);
  if ((code === "key" || code === "tiles") && data !== "") change(picture, decompress(bytes(data)));
  return picture;
}

function change({ width, height, pixels }: Picture, tiles: Uint8Array): void {
  for (let at = 0; at + 4 <= tiles.length; ) {
    const x = (tiles[at]! | (tiles[at + 1]! << 8)) * TILE;
    const y = (tiles[at + 2]! | (tiles[at + 3]! << 8)) * TILE;
    at += 4;
    const right = Math.min(x + TILE, width);
    const bottom = Math.min(y + TILE, height);
    for (let line = y; line < bottom; line++) {
      for (let to = (line * width + x) * 4, end = (line * width + right) * 4; to < end; to += 4) {
        pixels[to]! ^= tiles[at++]!;
        pixels[to + 1]! ^= tiles[at++]!;
        pixels[to + 2]! ^= tiles[at++]!;
      }
    }
    if (x >= width || y >= height) return;
  }
}

function bytes(base64: string): Uint8Array {
  const text = atob(base64);
  const out = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) out[at] = text.charCodeAt(at);
  return out;
}
