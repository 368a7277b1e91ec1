import { describe, expect, it } from "vitest";

import { ago, fromLocal, gatewayNow, left, setTime, toLocal } from "./time";

describe("a point in time", () => {
  it("is counted down, by the second in the end", () => {
    const table: [number, string][] = [
      [-1, "0:00"],
      [1, "0:01"],
      [299_000, "4:59"],
      [300_000, "5 min"],
      [3_900_000, "1 h 05 min"],
      [183_600_000, "2 d 3 h"],
    ];
    for (const [ms, text] of table) expect(left(ms)).toBe(text);
  });

  it("is the gateway's, where the two clocks differ", () => {
    const now = Date.parse("2030-01-01T12:00:00Z");
    setTime("Tue, 01 Jan 2030 11:00:00 GMT", now);
    expect(gatewayNow(now)).toBe(now - 3_600_000);
    setTime("Tue, 01 Jan 2030 11:59:59 GMT", now);
    expect(gatewayNow(now)).toBe(now);
    setTime(null, now);
    expect(gatewayNow(now)).toBe(now);
  });

  it("is told as long ago", () => {
    const now = Date.parse("2030-01-03T12:00:00Z");
    expect(ago("2030-01-03T11:59:30Z", now)).toBe("just now");
    expect(ago("2030-01-03T11:30:00Z", now)).toBe("30 min ago");
    expect(ago("2030-01-02T11:00:00Z", now)).toBe("yesterday");
  });

  it("goes into a field and comes out the same", () => {
    const at = new Date("2030-06-01T10:30:00Z");
    expect(fromLocal(toLocal(at))).toBe(at.toISOString());
    expect(fromLocal("")).toBeUndefined();
  });
});
