-- What moved by sftp and scp: one row a file or change, written once.
create table file (
    id text primary key,
    session text not null references session (id),
    channel bigint not null,
    recording text,
    at bigint not null,
    op text not null,
    path text not null,
    to_path text,
    direction text,
    bytes bigint not null,
    sha256 text,
    result text not null,
    detail text not null
);
create index file_session on file (session, at, id);

-- The channels of a session that moved files, once they are closed: how many rows, and the
-- hash over them that stands in the audit chain as well.
create table file_channel (
    session text not null references session (id),
    channel bigint not null,
    closed_at bigint not null,
    entries bigint not null,
    root text not null,
    primary key (session, channel)
);
