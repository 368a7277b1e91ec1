-- What only a web target has, as JSON; empty for every other.
alter table target add column web text not null default '';
