-- A person's log is read by their cases; this finds what is about them and belongs to no case. It is small: most entries
-- belong to a case, and no release writes to it.
CREATE INDEX entry_client ON vault.entry (client, id) WHERE case_id IS NULL AND client IS NOT NULL;
