import { expect, test } from "vitest";

import { scanCode } from "./keys";

test("a key is called what keyboards have called it since the AT", () => {
  const known = { Escape: 0x01, Enter: 0x1c, KeyA: 0x1e, Backslash: 0x2b, Space: 0x39, F10: 0x44, Numpad9: 0x49, F12: 0x58, F23: 0x6e };
  const extended = { ControlRight: 0xe01d, ArrowUp: 0xe048, PageDown: 0xe051, Delete: 0xe053, ContextMenu: 0xe05d };
  for (const [code, expected] of Object.entries({ ...known, ...extended })) expect(scanCode(code), code).toBe(expected);
  expect(scanCode("AudioVolumeUp")).toBeUndefined();
});
