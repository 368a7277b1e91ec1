-- Passed by each check-out that becomes active: who holds its account already decides whether it may.
insert into gate (name, passed) values ('holders', 0);
