// Whether somebody is asked right now to show again who they are. Whatever needs that waits for
// one answer, however many requests asked for it.

import { useSyncExternalStore } from "react";

/** A second factor; or any proof, of whoever has no second factor. */
export type Wanted = "step-up" | "prove-again";

let asking: { wanted: Wanted; answer: Promise<boolean>; say: (shown: boolean) => void } | undefined;
const listeners = new Set<() => void>();
const tell = () => {
  for (const listener of listeners) listener();
};

export const proof = {
  /** True once they have shown it, false if they would not. */
  ask(wanted: Wanted): Promise<boolean> {
    if (!asking) {
      let say: (shown: boolean) => void = () => undefined;
      const answer = new Promise<boolean>((resolve) => {
        say = resolve;
      });
      asking = { wanted, answer, say };
      tell();
    }
    return asking.answer;
  },
  answered(shown: boolean): void {
    asking?.say(shown);
    asking = undefined;
    tell();
  },
};

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const useProofAsked = () => useSyncExternalStore(subscribe, () => asking?.wanted);
