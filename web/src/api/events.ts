// Hears of changes as they happen and has the pages read again what they show. The stream is a
// hint: what was missed while it was gone is read again when it is back.

import type { QueryClient } from "@tanstack/react-query";

import { connection } from "./connection";

const NOUNS = ["checkout", "session", "user", "group", "target", "account", "policy"];

/** Many changes at once are one look. */
const GATHER = 120;
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 5_000;

export function listen(client: QueryClient): () => void {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wait = FIRST_WAIT;
  let ended = false;
  let interrupted = false;
  const changed = new Set<string>();
  let gathering: ReturnType<typeof setTimeout> | undefined;

  const look = () => {
    gathering = undefined;
    for (const noun of changed) void client.invalidateQueries({ queryKey: [noun] });
    // What is done is audited, so what was written down has grown as well.
    for (const queryKey of [["audit"], ["checkout", "history"]]) void client.invalidateQueries({ queryKey });
    changed.clear();
  };
  const note = (noun: string) => {
    changed.add(noun);
    gathering ??= setTimeout(look, GATHER);
  };
  const everything = () => void client.invalidateQueries();

  const open = () => {
    if (ended) return;
    source = new EventSource("/api/v1/events");
    source.onopen = () => {
      wait = FIRST_WAIT;
      connection.live(true);
      connection.back();
      if (interrupted) everything();
      interrupted = false;
    };
    source.onerror = () => {
      // The browser would try again by itself, but not after an answer that is a no.
      source?.close();
      interrupted = true;
      connection.live(false);
      // Tells apart a gateway that is gone, a sign-in that is over, and one stream too many.
      everything();
      timer = setTimeout(open, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT);
    };
    for (const noun of NOUNS) source.addEventListener(noun, () => note(noun));
    source.addEventListener("missed", everything);
  };

  open();
  return () => {
    ended = true;
    source?.close();
    clearTimeout(timer);
    clearTimeout(gathering);
  };
}
