// Hears of changes as they happen and has the pages read again what they show. The stream is a
// hint: what was missed while it was gone is read again when it is back.
//
// The tabs of a browser share one stream: the gateway counts them by person. Whichever tab holds
// the lock has it and tells the others; when that tab goes, the next one takes it over.

import type { QueryClient } from "@tanstack/react-query";

import { connection } from "./connection";

const NOUNS = ["checkout", "session", "user", "group", "target", "account", "policy", "channel", "delivery"];

/** What else shows something of a noun: a target its accounts and rules, a channel how it does. */
const BESIDES: Record<string, string> = { account: "target", policy: "target", delivery: "channel" };

/** Many changes at once are one look. */
const GATHER = 120;
const FIRST_WAIT = 1_000;
const LONGEST_WAIT = 5_000;

/** What the tab with the stream tells the others. */
type Word = { noun: string } | { live: boolean } | "everything" | "who has it?";

export function listen(client: QueryClient, who: string): () => void {
  const name = `doorward-events ${who}`;
  const leaving = new AbortController();
  const tabs = new BroadcastChannel(name);
  const changed = new Set<string>();
  let gathering: ReturnType<typeof setTimeout> | undefined;
  let lead: Lead | undefined;

  const look = () => {
    gathering = undefined;
    for (const noun of changed) void client.invalidateQueries({ queryKey: [noun] });
    // What is done is audited, so what was written down has grown as well.
    for (const queryKey of [["audit"], ["checkout", "history"]]) void client.invalidateQueries({ queryKey });
    changed.clear();
  };
  const hear = (word: Word) => {
    if (word === "everything") void client.invalidateQueries();
    else if (word === "who has it?") lead?.tell();
    else if ("noun" in word) {
      changed.add(word.noun);
      if (BESIDES[word.noun]) changed.add(BESIDES[word.noun] as string);
      gathering ??= setTimeout(look, GATHER);
    } else {
      connection.live(word.live);
      if (word.live) connection.back();
    }
  };
  const say = (word: Word) => {
    tabs.postMessage(word);
    hear(word);
  };
  tabs.onmessage = ({ data }: MessageEvent<Word>) => hear(data);
  tabs.postMessage("who has it?" satisfies Word);

  const takeOver = () =>
    new Promise<void>((resolve) => {
      lead = stream(say);
      leaving.signal.addEventListener("abort", () => {
        lead?.close();
        resolve();
      });
      if (leaving.signal.aborted) {
        lead.close();
        resolve();
      }
    });
  // Where browsers have no locks, each tab has a stream of its own, as ever.
  const locks = (navigator as { locks?: LockManager }).locks;
  if (locks) locks.request(name, { signal: leaving.signal }, takeOver).catch(() => undefined);
  else void takeOver();

  return () => {
    leaving.abort();
    tabs.close();
    clearTimeout(gathering);
  };
}

interface Lead {
  /** Says anew whether the stream is there, for a tab that has just come. */
  tell: () => void;
  close: () => void;
}

function stream(say: (word: Word) => void): Lead {
  let source: EventSource | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wait = FIRST_WAIT;
  let ended = false;
  let live = false;
  let interrupted = false;

  const open = () => {
    if (ended) return;
    clearTimeout(timer);
    source = new EventSource("/api/v1/events");
    source.onopen = () => {
      wait = FIRST_WAIT;
      live = true;
      say({ live });
      if (interrupted) say("everything");
      interrupted = false;
    };
    source.onerror = () => {
      // The browser would try again by itself, but not after an answer that is a no.
      source?.close();
      source = undefined;
      interrupted = true;
      live = false;
      say({ live });
      // Tells apart a gateway that is gone, a sign-in that is over, and one stream too many.
      say("everything");
      timer = setTimeout(open, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT);
    };
    for (const noun of NOUNS) source.addEventListener(noun, () => say({ noun }));
    source.addEventListener("missed", () => say("everything"));
  };
  // A device that is back does not wait for its turn.
  const back = () => {
    if (!source) open();
  };

  window.addEventListener("online", back);
  open();
  return {
    tell: () => say({ live }),
    close: () => {
      ended = true;
      source?.close();
      clearTimeout(timer);
      window.removeEventListener("online", back);
    },
  };
}
