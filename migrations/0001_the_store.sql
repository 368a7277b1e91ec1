-- One text for SQLite and PostgreSQL. Columns are text and bigint only: identifiers and names
-- as text, times as UTC milliseconds, lengths of time as seconds (_s), booleans as 0 and 1,
-- lists as JSON text, bytes as hexadecimal text (the two databases share no name for a byte
-- column). History (checkout, session, recording, audit_record) refers to people, targets and
-- accounts without a foreign key: it outlives them.

create table meta (
    name text primary key,
    value text not null
);

-- A row that a transaction updates first, where rows it only counts or reads decide it.
create table gate (
    name text primary key,
    passed bigint not null
);
insert into gate (name, passed) values ('people', 0), ('places', 0);

-- People ---------------------------------------------------------------------------------

create table users (
    id text primary key,
    name text not null,
    full_name text not null,
    email text,
    requester bigint not null,
    approver bigint not null,
    auditor bigint not null,
    admin bigint not null,
    person text not null,
    vouched_by text,
    disabled bigint not null,
    created_at bigint not null,
    password_hash text
);
create unique index users_name on users (name);
create index users_person on users (person);

create table user_group (
    id text primary key,
    name text not null,
    description text not null
);
create unique index user_group_name on user_group (name);

create table group_member (
    group_id text not null references user_group (id) on delete cascade,
    user_id text not null references users (id) on delete cascade,
    primary key (group_id, user_id)
);
create index group_member_user on group_member (user_id);

create table ssh_key (
    fingerprint text primary key,
    user_id text not null references users (id) on delete cascade,
    public_key text not null,
    note text not null,
    added_at bigint not null
);
create index ssh_key_user on ssh_key (user_id);

create table token (
    id text primary key,
    user_id text not null references users (id) on delete cascade,
    label text not null,
    scopes text not null,
    secret_hash text not null,
    created_at bigint not null,
    expires_at bigint not null,
    last_used_at bigint
);
create unique index token_secret_hash on token (secret_hash);
create index token_user on token (user_id, created_at);

-- Places ---------------------------------------------------------------------------------

create table policy (
    id text primary key,
    name text not null,
    description text not null,
    is_default bigint not null,
    terms text not null
);
create unique index policy_name on policy (name);
create unique index policy_default on policy (is_default) where is_default = 1;
-- What holds where nothing is named: every setting at its strict default.
insert into policy (id, name, description, is_default, terms)
values ('00000000000000000000000001', 'default', 'what holds where no other policy is named', 1, '{}');

create table target (
    id text primary key,
    name text not null,
    protocol text not null,
    address text not null,
    host_keys text not null,
    policy_id text references policy (id),
    description text not null,
    labels text not null,
    disabled bigint not null,
    created_at bigint not null
);
create unique index target_name on target (name);
create index target_policy on target (policy_id);

create table account (
    id text primary key,
    name text not null,
    login text not null,
    policy_id text references policy (id),
    secret_kind text,
    description text not null,
    disabled bigint not null,
    created_at bigint not null
);
create index account_name on account (name);
create index account_policy on account (policy_id);

create table account_target (
    account_id text not null references account (id) on delete cascade,
    target_id text not null references target (id) on delete cascade,
    account_name text not null,
    primary key (account_id, target_id)
);
create unique index account_target_name on account_target (target_id, account_name);

create table secret (
    account_id text not null references account (id) on delete cascade,
    field text not null,
    wrapped_key text not null,
    ciphertext text not null,
    kek_id text not null,
    primary key (account_id, field)
);
create index secret_kek on secret (kek_id);

-- Check-outs -----------------------------------------------------------------------------

-- The moves a check-out can make. The foreign key below holds every write to them.
create table checkout_move (
    prior_state text not null,
    state text not null,
    primary key (prior_state, state)
);
insert into checkout_move (prior_state, state) values
    ('none', 'requested'), ('none', 'approved'), ('none', 'active'),
    ('requested', 'requested'), ('requested', 'approved'), ('requested', 'active'), ('requested', 'ended'),
    ('approved', 'active'), ('approved', 'ended'),
    ('active', 'active'), ('active', 'ended');

create table checkout (
    id text primary key,
    code text not null,
    requester text not null,
    requester_name text not null,
    person text not null,
    target text not null,
    target_name text not null,
    account text not null,
    account_name text not null,
    asked text not null,
    reason text not null,
    ticket text,
    approver text,
    granted_by text,
    policy text not null,
    terms text not null,
    exclusive bigint not null,
    duration_s bigint not null,
    window_starts_at bigint,
    window_ends_at bigint,
    requested_at bigint not null,
    lapses_at bigint not null,
    votes text not null,
    extension text,
    prior_state text not null,
    state text not null,
    -- The state, or once it has ended the reason: what a list shows and filters by.
    status text not null,
    grant_starts_at bigint,
    grant_ends_at bigint,
    authorised_s bigint,
    ended_at bigint,
    end_reason text,
    ended_by text,
    end_message text,
    -- Those who answered, for people.
    answered_by text not null,
    -- When time alone changes it; null once it has ended.
    due_at bigint,
    -- How often a session was opened under it: what an opening locks.
    openings bigint not null,
    version bigint not null,
    foreign key (prior_state, state) references checkout_move (prior_state, state),
    check ((state = 'ended') = (end_reason is not null)),
    check ((state = 'ended') = (due_at is null))
);
create unique index checkout_code on checkout (code);
-- One holder of an exclusive account at a time.
create unique index checkout_one_holder on checkout (account) where state = 'active' and exclusive = 1;
-- A retry joins the pending request.
create unique index checkout_one_pending on checkout (requester, target, account, asked) where state = 'requested';
create index checkout_due on checkout (due_at) where due_at is not null;
create index checkout_requester on checkout (requester, requested_at);
create index checkout_status on checkout (status, requested_at);
create index checkout_target on checkout (target, requested_at);
create index checkout_account on checkout (account);
create index checkout_ticket on checkout (ticket);
create index checkout_requested_at on checkout (requested_at, id);

-- Sessions and what they leave -------------------------------------------------------------

create table node (
    id text primary key,
    name text not null,
    started_at bigint not null,
    seen_at bigint not null
);

create table session (
    id text primary key,
    checkout text not null references checkout (id),
    user_id text not null,
    target text not null,
    account text not null,
    protocol text not null,
    node text not null,
    peer text not null,
    client text not null,
    opened_at bigint not null,
    closed_at bigint,
    outcome text,
    message text not null,
    bytes_in bigint not null,
    bytes_out bigint not null,
    check ((closed_at is null) = (outcome is null))
);
create index session_open on session (node) where closed_at is null;
create index session_checkout on session (checkout);
create index session_opened_at on session (opened_at, id);

create table recording (
    id text primary key,
    session text not null references session (id),
    checkout text not null references checkout (id),
    kind text not null,
    file text not null,
    started_at bigint not null,
    finished_at bigint,
    bytes bigint not null,
    sha256 text
);
create index recording_session on recording (session);
create index recording_checkout on recording (checkout);
create index recording_started_at on recording (started_at, id);

-- The audit chain --------------------------------------------------------------------------

-- The newest link. Updating it is what puts transactions in order.
create table audit_head (
    id bigint primary key check (id = 1),
    seq bigint not null,
    hash text not null
);
insert into audit_head (id, seq, hash)
values (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');

-- `body` is the truth that is hashed; the columns beside it are copies to search by.
create table audit_record (
    seq bigint primary key,
    at bigint not null,
    kind text not null,
    outcome text not null,
    actor text not null,
    user_id text,
    checkout text,
    session text,
    target text,
    account text,
    body text not null,
    previous text not null,
    hash text not null
);
create index audit_record_at on audit_record (at);
create index audit_record_kind on audit_record (kind, seq);
create index audit_record_user on audit_record (user_id, seq);
create index audit_record_checkout on audit_record (checkout, seq);

create table audit_checkpoint (
    seq bigint primary key,
    at bigint not null,
    hash text not null,
    signature text not null
);
