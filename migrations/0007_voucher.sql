-- Who has had a hand in a credential that a user still has. `credential` is what they gave:
-- `made` (the user, before anybody else gave them anything), `moved` (the user, to another
-- human being), `password`, or `key:FINGERPRINT`.
create table voucher (
    user_id text not null references users (id) on delete cascade,
    credential text not null,
    person text not null,
    primary key (user_id, credential, person)
);
-- Which credential the one voucher of before meant is not known: so it means each of them.
insert into voucher (user_id, credential, person)
select id, 'made', vouched_by from users where vouched_by is not null;
insert into voucher (user_id, credential, person)
select id, 'password', vouched_by from users where vouched_by is not null and password_hash is not null;
insert into voucher (user_id, credential, person)
select k.user_id, 'key:' || k.fingerprint, u.vouched_by
from ssh_key k join users u on u.id = k.user_id where u.vouched_by is not null;
alter table users drop column vouched_by;
