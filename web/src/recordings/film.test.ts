import { expect, it } from "vitest";

import { black, isShown, moment, pointed, shown } from "./film";

/** A zstd frame that holds these bytes as they are, few as they must be. */
function tiles(...content: number[]): string {
  const block = (content.length << 3) | 1;
  const frame = [0x28, 0xb5, 0x2f, 0xfd, 0x20, content.length, block & 255, (block >> 8) & 255, block >> 16, ...content];
  return btoa(String.fromCharCode(...frame));
}

const pixel = (picture: { pixels: Uint8ClampedArray }, at: number) => [...picture.pixels.slice(at * 4, at * 4 + 4)];

it("shows a key frame, and what changes behind it", () => {
  let picture = shown(black(9, 9), { at: 0, code: "r", data: "66x2" });
  expect([picture.width, picture.height]).toEqual([66, 2]);
  picture = shown(picture, { at: 1, code: "key", data: tiles(1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12) });
  expect(pixel(picture, 0)).toEqual([0, 0, 0, 255]);
  expect(pixel(picture, 64)).toEqual([1, 2, 3, 255]);
  expect(pixel(picture, 66 + 65)).toEqual([10, 11, 12, 255]);
  shown(picture, { at: 2, code: "tiles", data: tiles(1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0) });
  expect(pixel(picture, 64)).toEqual([0, 2, 3, 255]);
  expect(pixel(picture, 65)).toEqual([4, 5, 6, 255]);
  shown(picture, { at: 3, code: "key", data: "" });
  expect(pixel(picture, 65)).toEqual([0, 0, 0, 255]);
  expect(() => shown(picture, { at: 3, code: "tiles", data: tiles(200, 0, 0, 0, 1, 2) })).not.toThrow();
});

it("reads lines and leaves out what is none", () => {
  const [header, line, torn] = ['{"version":2}', '[1.25,"pointer","10x20"]', '[2.0,"til'].map(moment);
  expect([header, torn]).toEqual([undefined, undefined]);
  expect(line && pointed(line)).toEqual([10, 20]);
  expect(line && isShown(line)).toBe(false);
  expect(pointed({ at: 0, code: "pointer", data: "ax1" })).toBeUndefined();
});
