-- Buckets that the upstream had before: what others do there is theirs. Of buckets from before this column nobody knows,
-- so all are taken for adopted: nothing of anybody's is swept, and what is swept too little is only room.
ALTER TABLE buckets ADD COLUMN adopted INTEGER NOT NULL DEFAULT 1;
