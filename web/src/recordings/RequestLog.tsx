// What was asked of a web target in one session, as a table.

import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api, told } from "../api/client";
import type { Recording } from "../api/types";
import { Nothing, Shown } from "../parts/State";
import { Search } from "../parts/Search";
import { type Column, Table } from "../parts/Table";
import { size } from "../text/words";
import { type Asked, readRequests } from "./requests";

const columns: Column<Asked>[] = [
  { id: "path", header: "Path", cell: (row) => <span title={row.path}>{row.path}</span> },
  { id: "method", header: "Method", cell: (row) => (row.websocket ? "WebSocket" : row.method) },
  { id: "status", header: "Answer", cell: (row) => row.error ?? row.status ?? "none" },
  { id: "at", header: "After", cell: (row) => `${row.at.toFixed(1)} s` },
  { id: "ms", header: "Took", align: "right", cell: (row) => (row.ms === undefined ? "" : `${row.ms} ms`) },
  { id: "in", header: "In", align: "right", minor: true, cell: (row) => size(row.bytesIn) },
  { id: "out", header: "Out", align: "right", minor: true, cell: (row) => size(row.bytesOut) },
];

/** So many lines a page still shows at once. */
const MOST = 2_000;

export function RequestLog({ recording }: { recording: Recording }) {
  const [text, setText] = useState("");
  const log = useQuery({
    queryKey: ["requests", recording.id],
    queryFn: async () => {
      const path = { id: recording.id };
      const cast = await told(api.GET("/api/v1/recordings/{id}/content", { params: { path }, parseAs: "text" }));
      return readRequests(String(cast));
    },
    staleTime: Infinity,
  });
  return (
    <Shown of={log}>
      {(all) => {
        const found = all.filter(({ path, method }) => `${method} ${path}`.toLowerCase().includes(text.toLowerCase()));
        return (
          <>
            <div className="filters">
              <Search label="Search" placeholder="Path or method" value={text} onChange={setText} />
            </div>
            {found.length > 0 ? (
              <Table label="Requests" columns={columns} rows={found.slice(0, MOST)} rowId={(row) => String(row.n)} />
            ) : (
              <Nothing sign="list" title={all.length > 0 ? "Nothing matches" : "Nothing was asked for"} />
            )}
          </>
        );
      }}
    </Shown>
  );
}
