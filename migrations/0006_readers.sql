-- Who may read a check-out besides its holder, its giver and those who read everything: words
-- between blanks, `any` (every approver), `group:NAME`, `person:ID`. Lists are filtered by it
-- in the database, so that neither a page's end nor a cursor tells of rows that are not shown.
-- Empty on rows from before; the gateway fills those in when it starts.
alter table checkout add column readers text not null default '';
create index checkout_without_readers on checkout (id) where readers = '';
