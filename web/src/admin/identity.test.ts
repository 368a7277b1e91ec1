import { expect, test } from "vitest";

import { identityOf } from "./identity";

test("what is pinned is said for every protocol", () => {
  for (const [target, says] of [
    [{ protocol: "ssh", host_keys: ["ssh-ed25519 AAAA"] }, "pinned: host key"],
    [{ protocol: "ssh", host_keys: ["ssh-ed25519 AAAA", "@cert-authority ssh-ed25519 B"] }, "pinned: host key, an authority"],
    [{ protocol: "rdp", host_keys: ["sha256//AAAA="] }, "pinned: key"],
    [{ protocol: "web", host_keys: ["@cert-authority AAAA"], web: { tls: true } }, "pinned: an authority"],
    [{ protocol: "web", host_keys: [], web: { tls: false } }, "in the clear"],
  ] as const) {
    expect(identityOf(target as never)).toEqual({ says, open: true });
  }
  for (const protocol of ["ssh", "web", "rdp"]) {
    expect(identityOf({ protocol, host_keys: [], web: { tls: true } } as never).open).toBe(false);
  }
});
