import { expect, it } from "vitest";

import { readRequests } from "./requests";

const line = (at: number, kind: string, what: object) => JSON.stringify([at, kind, JSON.stringify(what)]);

it("puts each answer to its request", () => {
  const cast = [
    '{"version":2,"width":80,"height":24}',
    line(0.1, "request", { n: 1, method: "GET", path: "/a?token=***" }),
    line(0.2, "request", { n: 2, method: "PUT", path: "/b" }),
    line(0.3, "answer", { n: 2, status: 204, bytes_in: 7, bytes_out: 0, ms: 90 }),
    line(0.4, "answer", { n: 1, bytes_in: 0, bytes_out: 0, ms: 5, error: "the target is silent" }),
    line(0.5, "answer", { n: 9, status: 200 }),
    "",
    "[1, ",
  ].join("\n");
  const read = readRequests(cast);
  expect(read.map(({ n, method, status, ms }) => [n, method, status, ms])).toEqual([
    [1, "GET", undefined, 5],
    [2, "PUT", 204, 90],
  ]);
  expect(read[0]?.error).toBe("the target is silent");
});
