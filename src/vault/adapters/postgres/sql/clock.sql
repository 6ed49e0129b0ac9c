-- The only clock of the vault. Tests replace it as owner; it is never a parameter or a setting.
CREATE OR REPLACE FUNCTION vault.clock() RETURNS timestamptz
LANGUAGE sql VOLATILE PARALLEL SAFE
BEGIN ATOMIC
    SELECT pg_catalog.clock_timestamp();
END;
