-- A recording is sealed under a key of its own, which lies here wrapped by a vault key. Its
-- root is the hash of what is on the disk. Deleting one forgets the key and then the file.
alter table recording rename column sha256 to root;
alter table recording add column failure text;
alter table recording add column wrapped_key text;
alter table recording add column kek_id text;
alter table recording add column keep_until bigint;
alter table recording add column deleted_at bigint;
create index recording_kek on recording (kek_id) where kek_id is not null;
create index recording_keep_until on recording (keep_until) where keep_until is not null;
create index recording_unfinished on recording (started_at) where finished_at is null;
