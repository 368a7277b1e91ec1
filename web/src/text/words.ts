// Small sentences out of facts.

import { when } from "./time";

/** With a capital and a full stop. */
export function sentence(text: string): string {
  const trimmed = text.trim();
  if (!trimmed) return "";
  const begun = trimmed[0]?.toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

const MOMENT = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g;

/** What was written down for the auditor, with its times as people read them. Names stay as they are. */
export function told(message: string): string {
  const text = message.trim().replace(MOMENT, (iso) => when(iso));
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** `one session`, `3 sessions`. */
export function count(number: number, one: string, many = `${one}s`): string {
  return number === 1 ? `one ${one}` : `${number} ${many}`;
}

/** `bob`, `bob or carol`, `bob, carol or 3 others`. */
export function anyOf(names: readonly string[], most = 4): string {
  if (names.length === 0) return "nobody";
  const shown = names.length > most ? [...names.slice(0, most - 1), `${names.length - most + 1} others`] : [...names];
  const last = shown.pop();
  return shown.length > 0 ? `${shown.join(", ")} or ${last}` : String(last);
}

/** `1.5 MB`; in thousands, as disks are sold. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_000 && unit < units.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit]}`;
}
