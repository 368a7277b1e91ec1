import { expect, it } from "vitest";

import { when } from "./time";
import { anyOf, count, sentence, size, told } from "./words";

it("makes sentences out of what the gateway says", () => {
  expect(sentence("a ticket number is required")).toBe("A ticket number is required.");
  expect(sentence("Try again!")).toBe("Try again!");
  expect(sentence("  ")).toBe("");
});

it("tells what was written down as people read it", () => {
  const iso = "2026-11-22T21:05:54.515Z";
  expect(told(`approved by bob, active until ${iso}`)).toBe(`approved by bob, active until ${when(iso)}.`);
});

it("names some and counts the rest", () => {
  expect(anyOf([])).toBe("nobody");
  expect(anyOf(["bob"])).toBe("bob");
  expect(anyOf(["bob", "carol"])).toBe("bob or carol");
  expect(anyOf(["a", "b", "c", "d", "e", "f"])).toBe("a, b, c or 3 others");
  expect(count(1, "session")).toBe("one session");
  expect(count(3, "entry", "entries")).toBe("3 entries");
});

it("tells sizes", () => {
  expect(size(0)).toBe("0 B");
  expect(size(1_500)).toBe("1.5 kB");
  expect(size(250_000_000)).toBe("250 MB");
});
