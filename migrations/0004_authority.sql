-- The gateway's user authority: the key that vouches to targets, sealed.

create table authority (
    name text primary key,
    public_key text not null,
    wrapped_key text not null,
    kek_id text not null,
    created_at bigint not null
);
