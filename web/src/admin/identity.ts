// What a target must prove before anything is sent there, in a few words. Pure.

import type { Target } from "../api/types";

export interface Identity {
  says: string;
  /** Whether anybody gets through. */
  open: boolean;
}

export function identityOf({ protocol, host_keys, web }: Pick<Target, "protocol" | "host_keys" | "web">): Identity {
  if (protocol === "web" && web?.tls === false) return { says: "in the clear", open: true };
  if (host_keys.length === 0) return { says: "not pinned: nobody gets through", open: false };
  const vouched = host_keys.filter((line) => line.startsWith("@cert-authority ")).length;
  const own = host_keys.length - vouched;
  const kind = protocol === "ssh" ? "host key" : "key";
  const words = [
    own > 0 ? `${own > 1 ? `${own} ` : ""}${kind}${own > 1 ? "s" : ""}` : "",
    vouched > 0 ? `${vouched > 1 ? `${vouched} authorities` : "an authority"}` : "",
  ].filter(Boolean);
  return { says: `pinned: ${words.join(", ")}`, open: true };
}
