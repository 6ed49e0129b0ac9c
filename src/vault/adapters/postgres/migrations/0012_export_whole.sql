-- Two functions said each in its own way what uses up a free year; vault.is_free says it alone.
DROP FUNCTION IF EXISTS vault.export_is_free(uuid, timestamptz);
DROP FUNCTION IF EXISTS vault.is_first_in_year(vault.request, timestamptz);
