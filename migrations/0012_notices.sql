-- What people are told. A notice is written with the decision it tells of; which way it goes to
-- whom is worked out from it afterwards, once, and what is on its way is a row of its own until
-- it has arrived or was given up.

create table channel (
    id text primary key,
    name text not null,
    kind text not null,
    disabled bigint not null,
    -- What goes this way and how, as JSON.
    settings text not null,
    created_at bigint not null,
    wrapped_key text,
    ciphertext text,
    kek_id text
);
create unique index channel_name on channel (name);

create table notice (
    id text primary key,
    event text not null,
    at bigint not null,
    -- The same for the same thing, so that it is told once.
    key text not null,
    facts text not null,
    -- Whether its deliveries are worked out.
    sorted bigint not null
);
create unique index notice_key on notice (key);
create index notice_unsorted on notice (id) where sorted = 0;
create index notice_at on notice (at);

create table delivery (
    id text primary key,
    notice text not null references notice (id) on delete cascade,
    channel text not null references channel (id) on delete cascade,
    recipient text not null,
    -- The user it is for, if it is for one.
    reader text,
    state text not null,
    attempts bigint not null,
    created_at bigint not null,
    -- When it is tried next; whoever tries it puts this off first, so that no other does.
    due_at bigint not null,
    finished_at bigint,
    error text
);
create unique index delivery_once on delivery (notice, channel, recipient);
create index delivery_due on delivery (channel, due_at) where state = 'waiting';
create index delivery_created on delivery (created_at, id);
create index delivery_state on delivery (channel, state);

-- What a person does not want to be told by mail.
create table notice_choice (
    user_id text primary key references users (id) on delete cascade,
    muted text not null
);
