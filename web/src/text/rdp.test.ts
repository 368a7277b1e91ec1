import { expect, test } from "vitest";

import { rdpFile } from "./rdp";

test("a file leads to the gateway as the check-out's user and asks for the secret", () => {
  const lines = rdpFile("door.example.org:3389", "7K3F").split("\r\n");
  expect(lines).toContain("full address:s:door.example.org:3389");
  expect(lines).toContain("username:s:7K3F");
  expect(lines).toContain("prompt for credentials:i:1");
  expect(lines.some((line) => line.startsWith("password"))).toBe(false);
});
