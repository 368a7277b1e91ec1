-- What only an RDP target has, as JSON; empty for every other.
alter table target add column rdp text not null default '';
