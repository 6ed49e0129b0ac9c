-- The code that is the client's now. The others still find the person; they sign nobody in: one of them may have been mistyped
-- and be somebody else's. Null in rows from before: any code of the client counts until one is changed.
ALTER TABLE vault.client_about ADD COLUMN code_mac bytea;
