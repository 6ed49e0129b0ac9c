-- Papers that an export had to leave out because what is stored cannot be read; shown to operator and records officer until a
-- later export could read them.
CREATE TABLE vault.export_damage (
    export      uuid NOT NULL REFERENCES vault.export,
    document    uuid NOT NULL REFERENCES vault.document,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (export, document)
);
CREATE INDEX export_damage_document ON vault.export_damage (document);

-- Two functions said each in its own way what uses up a free year; vault.is_free says it alone.
DROP FUNCTION IF EXISTS vault.export_is_free(uuid, timestamptz);
DROP FUNCTION IF EXISTS vault.is_first_in_year(vault.request, timestamptz);
-- Whose papers is decided by who asks, no longer by the client alone; what calls it is made anew with the other functions.
DROP FUNCTION IF EXISTS vault.export_papers(uuid, boolean, timestamptz) CASCADE;
