-- What somebody shows besides a password. An authenticator app: its sealed seed, since when it
-- counts (it must be shown once before it does), and the newest time step that was taken.
create table totp (
    user_id text primary key references users (id) on delete cascade,
    wrapped_key text not null,
    kek_id text not null,
    made_at bigint not null,
    proven_at bigint,
    last_step bigint not null
);
create index totp_kek on totp (kek_id);

create table recovery_code (
    secret_hash text primary key,
    user_id text not null references users (id) on delete cascade,
    made_at bigint not null,
    used_at bigint
);
create index recovery_code_user on recovery_code (user_id);

create table passkey (
    -- As its authenticator calls it, base64url.
    id text primary key,
    user_id text not null references users (id) on delete cascade,
    label text not null,
    -- COSE, hexadecimal.
    public_key text not null,
    counter bigint not null,
    added_at bigint not null,
    last_used_at bigint
);
create index passkey_user on passkey (user_id);

-- Wrong second factors of somebody in a row, and when the next one is heard.
create table factor_guard (
    user_id text primary key references users (id) on delete cascade,
    wrong bigint not null,
    heard_at bigint not null
);

-- A right password, and the second factor still to come.
create table sign_in_step (
    secret_hash text primary key,
    user_id text not null references users (id) on delete cascade,
    -- Whether they must set a second factor up first.
    enrols bigint not null,
    expires_at bigint not null
);
create index sign_in_step_user on sign_in_step (user_id);

-- What an authenticator is to sign, once, for one sign-in.
create table passkey_challenge (
    secret_hash text primary key,
    user_id text not null references users (id) on delete cascade,
    bound_to text not null,
    expires_at bigint not null
);
create index passkey_challenge_user on passkey_challenge (user_id);

-- Where somebody signed in from; tokens that were made for programs have none.
alter table token add column peer text;
-- When they last showed there who they are, and when they did so with a second factor.
alter table token add column proven_at bigint;
alter table token add column factor_at bigint;
update token set peer = replace(label, 'browser signed in from ', ''), proven_at = created_at
where host is not null and parent is null;
