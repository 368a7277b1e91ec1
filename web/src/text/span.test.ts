import { describe, expect, it } from "vitest";

import { parseSpan, spanInWords, wordsOf, writeSpan } from "./span";

describe("a length of time", () => {
  it("is read as the API writes it and as people type it", () => {
    const table: [string, number | undefined][] = [
      ["1h30m", 5_400],
      ["1h 30 min", 5_400],
      ["45", 2_700],
      ["7d", 604_800],
      ["90s", 90],
      ["", undefined],
      ["soon", undefined],
      ["1m1h", undefined],
      ["-5m", undefined],
    ];
    for (const [text, seconds] of table) expect(parseSpan(text), text).toBe(seconds);
  });

  it("is written so that it is read the same", () => {
    for (const seconds of [1, 59, 60, 3_600, 5_400, 86_400, 90_061]) {
      expect(parseSpan(writeSpan(seconds))).toBe(seconds);
    }
    expect(writeSpan(0)).toBe("0s");
  });

  it("is told in words", () => {
    expect(spanInWords(3_600)).toBe("1 hour");
    expect(spanInWords(5_400)).toBe("1 hour 30 minutes");
    expect(spanInWords(90_061)).toBe("1 day 1 hour");
    expect(spanInWords(0)).toBe("less than a second");
    expect(wordsOf("30m")).toBe("30 minutes");
  });
});
