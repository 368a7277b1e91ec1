import { expect, it } from "vitest";

import { jumpLine, knownHosts, sshConfig, sshLine, splitAddress } from "./ssh";

const place = { user: "alice", gateway: "door.example.org:2222", domain: "door", authority: "ssh-ed25519 AAAA" };

it("writes the lines that the command line writes", () => {
  expect(sshLine(place, "db1")).toBe("ssh -p 2222 alice+db1@door.example.org");
  expect(sshLine({ ...place, gateway: "door.example.org:22" }, "db1", "root")).toBe(
    "ssh alice+root@db1@door.example.org",
  );
  expect(jumpLine(place, "db1", "root")).toBe("ssh root@db1.door");
  expect(knownHosts(place)).toBe("@cert-authority *.door,[door.example.org]:2222 ssh-ed25519 AAAA");
  expect(sshConfig(place)).toContain("ProxyJump alice@door.example.org:2222");
});

it("takes addresses of both kinds", () => {
  expect(splitAddress("[::1]:2222")).toEqual({ host: "::1", port: 2222 });
  expect(sshConfig({ ...place, gateway: "[::1]:2222" })).toContain("ProxyJump alice@[::1]:2222");
});
