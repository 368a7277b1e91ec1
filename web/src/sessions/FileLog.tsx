// What moved by sftp, scp and HTTP in one session, as a table. CSV takes all of it away.

import { Anchor, Button, Text } from "@mantine/core";
import { Link, useParams } from "react-router";

import { Failure } from "../api/client";
import { useFiles, useSession } from "../api/queries";
import type { FileRecord } from "../api/types";
import { Icon } from "../parts/Icon";
import { Listed } from "../parts/Listed";
import { Moment } from "../parts/Moment";
import { Head, Nothing, Shown } from "../parts/State";
import { Flag } from "../parts/Status";
import type { Column } from "../parts/Table";
import { useTitle } from "../shell/title";
import { sentence, size } from "../text/words";

const WHAT: Record<FileRecord["op"], string> = {
  read: "Read",
  write: "Written",
  rename: "Renamed",
  remove: "Removed",
  mkdir: "Folder made",
  rmdir: "Folder removed",
  setstat: "Attributes set",
  symlink: "Linked (soft)",
  hardlink: "Linked (hard)",
  copy: "Copied",
};

const columns: Column<FileRecord>[] = [
  {
    id: "path",
    header: "File",
    cell: (row) => (
      <span className="code">
        {row.path}
        {row.to ? ` → ${row.to}` : ""}
      </span>
    ),
  },
  { id: "op", header: "What", cell: (row) => WHAT[row.op] ?? row.op },
  { id: "direction", header: "Way", cell: (row) => (row.direction === "up" ? "to the target" : row.direction === "down" ? "from the target" : "") },
  { id: "bytes", header: "Size", align: "right", cell: (row) => (row.direction ? size(row.bytes) : "") },
  {
    id: "result",
    header: "Result",
    cell: (row) => (
      <>
        <Flag says={row.result} color={row.result === "complete" ? "green" : row.result === "partial" ? "yellow" : "red"} />
        {row.detail ? (
          <Text size="xs" c="dimmed">
            {sentence(row.detail)}
          </Text>
        ) : null}
      </>
    ),
  },
  {
    id: "hash",
    header: "SHA-256",
    minor: true,
    cell: (row) =>
      row.sha256 ? (
        <span className="code" title={row.sha256}>
          {row.sha256.slice(0, 12)}…
        </span>
      ) : (
        ""
      ),
  },
  { id: "at", header: "When", cell: (row) => <Moment at={row.at} /> },
];

export function FileLog() {
  const { id = "" } = useParams();
  const session = useSession(id);
  const files = useFiles(id);
  useTitle("Files of a session");
  if (session.error instanceof Failure && session.error.status === 404) {
    return <Nothing sign="search" title="There is no such session that you may see" />;
  }
  return (
    <Shown of={session}>
      {(one) => (
        <>
          <Head
            title={`Files of ${one.user_name} on ${one.target_name}`}
            says={
              <>
                <Moment at={one.opened_at} /> · check-out{" "}
                <Anchor component={Link} to={`/checkouts/${one.code}`} underline="always">
                  {one.code}
                </Anchor>
              </>
            }
          >
            <Button
              component="a"
              href={`/api/v1/sessions/${one.id}/files?format=csv`}
              download={`files-${one.id}.csv`}
              variant="default"
              leftSection={<Icon sign="download" size={16} />}
            >
              CSV
            </Button>
          </Head>
          <Listed
            of={files}
            label="Files"
            columns={columns}
            rowId={(row) => row.id}
            nothing={
              <Nothing sign="list" title="No file moved in this session">
                What goes by sftp, scp or a web form stands here, with its hash.
              </Nothing>
            }
          />
        </>
      )}
    </Shown>
  );
}
