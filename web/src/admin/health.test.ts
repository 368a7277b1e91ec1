import { expect, test } from "vitest";

import type { Standing } from "../api/types";
import { worries } from "./health";

const well: Standing = {
  version: "1",
  now: "2030-01-01T12:00:00Z",
  nodes: [{ id: "N", name: "a:/data", started_at: "x", seen_at: "x", silent: false, sessions: 3 }],
  recordings: { free_bytes: 9e9, reserve_bytes: 1e9 },
  audit: { newest: 10, signed: 8, signed_at: "2030-01-01T11:59:40Z" },
  notices: { channels: 1, failing: [], dead: 0 },
};

test("what is well is not worth a word, and what is not has its sentence", () => {
  expect(worries(well)).toEqual([]);
  for (const [change, word] of [
    [{ nodes: [{ ...well.nodes[0], silent: true }] }, "no sign of life"],
    [{ recordings: { free_bytes: 5e8, reserve_bytes: 1e9 } }, "no session begins"],
    [{ recordings: { free_bytes: 15e8, reserve_bytes: 1e9 } }, "Only 1.5 GB"],
    [{ recordings: { free_bytes: null, reserve_bytes: 1e9 } }, "cannot be told"],
    [{ audit: { ...well.audit, signed_at: "2030-01-01T11:00:00Z" } }, "not signed"],
    [{ notices: { ...well.notices, failing: ["mail"] } }, "mail do not arrive"],
    [{ notices: { ...well.notices, channels: 0 } }, "no channel"],
  ] as const) {
    const found = worries({ ...well, ...change } as Standing);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain(word);
  }
});
