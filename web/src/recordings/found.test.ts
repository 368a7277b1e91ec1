import { expect, test } from "vitest";

import { playTime, readFound } from "./found";

test("hits, recordings that cannot be read and the end are told apart", () => {
  const hit = { recording: "R1", code: "7K3F", user_name: "alice", target_name: "db1", account_name: "root", started_at: "x", at_s: 3.5, text: "drop table" };
  const lines = [JSON.stringify(hit), '{"recording":"R2","problem":"its file is gone"}', '{"searched":7,"next":"abc"}', '{"recording":"R3","te'];
  const found = readFound(lines.join("\n"));
  expect(found.hits).toEqual([hit]);
  expect(found.unread).toEqual([{ recording: "R2", problem: "its file is gone" }]);
  expect([found.searched, found.next]).toEqual([7, "abc"]);
  expect(readFound("").next).toBeNull();
});

test("a point in a recording is written as players write it", () => {
  expect([0, 62, 3602.9].map(playTime)).toEqual(["0:00", "1:02", "1:00:02"]);
});
