// Lengths of time as the API writes them: days, hours, minutes and seconds, `1h30m`.

const UNITS = [
  ["d", 86_400, "day"],
  ["h", 3_600, "hour"],
  ["m", 60, "minute"],
  ["s", 1, "second"],
] as const;

/** Seconds; nothing where it is no length of time. Blanks and a bare number of minutes are understood. */
export function parseSpan(text: string): number | undefined {
  const tight = text.toLowerCase().replace(/\s+/g, "").replace(/min(utes?)?/g, "m");
  if (/^\d+$/.test(tight)) return Number(tight) * 60;
  const parts = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(tight);
  if (!tight || !parts) return undefined;
  return UNITS.reduce((sum, [, seconds], index) => sum + Number(parts[index + 1] ?? 0) * seconds, 0);
}

/** As the API takes it. */
export function writeSpan(seconds: number): string {
  let rest = Math.max(0, Math.round(seconds));
  let text = "";
  for (const [letter, unit] of UNITS) {
    const count = Math.floor(rest / unit);
    if (count > 0) text += `${count}${letter}`;
    rest -= count * unit;
  }
  return text || "0s";
}

/** As people read it: `1 hour 30 minutes`, the two largest units. */
export function spanInWords(seconds: number): string {
  let rest = Math.max(0, Math.round(seconds));
  const words: string[] = [];
  for (const [, unit, name] of UNITS) {
    const count = Math.floor(rest / unit);
    rest -= count * unit;
    if (count > 0 && words.length < 2) words.push(`${count} ${name}${count === 1 ? "" : "s"}`);
  }
  return words.join(" ") || "less than a second";
}

/** The same of what the API wrote. */
export function wordsOf(span: string): string {
  const seconds = parseSpan(span);
  return seconds === undefined ? span : spanInWords(seconds);
}
