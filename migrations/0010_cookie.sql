-- A browser's cookie is a token that is good for one host; those of programs name none.
alter table token add column host text;
-- The sign-in it came out of, and ends with.
alter table token add column parent text references token (id) on delete cascade;
create index token_parent on token (parent);

-- On its way from the console to a target's host: good once, and not for long.
create table handover (
    secret_hash text primary key,
    token text not null references token (id) on delete cascade,
    host text not null,
    nonce_hash text not null,
    path text not null,
    expires_at bigint not null
);
create index handover_token on handover (token);
create index handover_expires_at on handover (expires_at);
