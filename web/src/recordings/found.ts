// What a search in recordings answers, line by line. Pure.

export interface Hit {
  recording: string;
  code: string;
  user_name: string;
  target_name: string;
  account_name: string;
  started_at: string;
  /** Seconds since its beginning. */
  at_s: number;
  text: string;
}

export interface Unread {
  recording: string;
  problem: string;
}

export interface Found {
  hits: Hit[];
  unread: Unread[];
  searched: number;
  /** Where the next search goes on; null where all were searched. */
  next: string | null;
}

/** JSON lines; what cannot be read, such as a line that broke off, is left out. */
export function readFound(text: string): Found {
  const found: Found = { hits: [], unread: [], searched: 0, next: null };
  for (const line of text.split("\n")) {
    let value: Partial<Hit & Unread & Found>;
    try {
      value = JSON.parse(line) as typeof value;
    } catch {
      continue;
    }
    if (value.text !== undefined && value.recording !== undefined) found.hits.push(value as Hit);
    else if (value.problem !== undefined) found.unread.push(value as Unread);
    else if (value.searched !== undefined) {
      found.searched = value.searched;
      found.next = value.next ?? null;
    }
  }
  return found;
}

/** `1:02`, as a player says it; `1:00:02` from an hour on. */
export function playTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number: number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3_600);
  const rest = `${hours > 0 ? two(Math.floor(whole / 60) % 60) : Math.floor(whole / 60)}:${two(whole % 60)}`;
  return hours > 0 ? `${hours}:${rest}` : rest;
}
