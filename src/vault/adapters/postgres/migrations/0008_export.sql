-- The client's own export: what was ordered, its states (those of rules/self_access.py), the package that the worker made,
-- what of it was sent. Rows are added; only the claim of the worker that is at it changes.

CREATE TABLE vault.export (
    id            uuid PRIMARY KEY,
    client        uuid REFERENCES vault.client,      -- null for a person about whom nothing is kept
    authority     uuid,                              -- under which a representative ordered it; null for the client's own
    session       bytea,                             -- then the session that may fetch the answer
    language      text COLLATE "C" NOT NULL CHECK (language IN ('fi', 'sv', 'en')),
    without_large boolean NOT NULL,
    documents     integer NOT NULL,                  -- what was told beforehand
    size_bytes    bigint NOT NULL,
    entry         uuid NOT NULL,
    recorded_at   timestamptz NOT NULL,
    CHECK ((client IS NULL) = (session IS NOT NULL))
);
CREATE INDEX export_client ON vault.export (client, id);

CREATE TABLE vault.export_state (
    export      uuid NOT NULL REFERENCES vault.export,
    n           integer NOT NULL,
    event       text COLLATE "C",                    -- null for the first row
    state       text COLLATE "C" NOT NULL,
    reason      text COLLATE "C",                    -- of a failure: a code
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (export, n)
);

-- While it is under way: which worker is at it, by its job's secret, until when nobody else takes it up, how far it has come.
CREATE TABLE vault.export_claim (
    export        uuid PRIMARY KEY REFERENCES vault.export,
    secret_sha256 bytea,
    until         timestamptz NOT NULL,
    documents     integer NOT NULL DEFAULT 0,
    bytes         bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- An attempt belongs to a document's upload or to an export's package.
ALTER TABLE vault.attempt ALTER COLUMN document DROP NOT NULL;
ALTER TABLE vault.attempt ADD COLUMN export uuid REFERENCES vault.export;
ALTER TABLE vault.attempt ADD CONSTRAINT attempt_of_one CHECK (num_nonnulls(document, export) = 1);
CREATE INDEX attempt_export ON vault.attempt (export) WHERE export IS NOT NULL;

CREATE TABLE vault.export_package (
    export        uuid PRIMARY KEY REFERENCES vault.export,
    object        text COLLATE "C" NOT NULL UNIQUE REFERENCES vault.attempt,
    size_bytes    bigint NOT NULL CHECK (size_bytes > 0),
    sealed_digest bytea NOT NULL,                    -- SHA-256 of the ZIP, under the export's key
    documents     integer NOT NULL,
    partial       boolean NOT NULL,                  -- something waits, is withheld, damaged or was left out
    expires_at    timestamptz NOT NULL,
    entry         uuid NOT NULL,
    recorded_at   timestamptz NOT NULL
);

-- The papers inside; when one of them closes to the client, the package does.
CREATE TABLE vault.export_paper (
    export   uuid NOT NULL REFERENCES vault.export,
    document uuid NOT NULL REFERENCES vault.document,
    PRIMARY KEY (export, document)
);

-- What was sent. A span whose end may not have arrived is not sure until the caller goes on from inside it.
CREATE TABLE vault.export_span (
    n          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    export     uuid NOT NULL REFERENCES vault.export,
    from_byte  bigint NOT NULL,
    until_byte bigint NOT NULL CHECK (until_byte > from_byte),
    sure       boolean NOT NULL,
    entry      uuid NOT NULL
);
CREATE INDEX export_span_export ON vault.export_span (export);

-- Each export has a key of its own, under its client's register key.
ALTER TABLE vault.wrapped_key DROP CONSTRAINT wrapped_key_kind_check;
ALTER TABLE vault.wrapped_key ADD CONSTRAINT wrapped_key_kind_check
    CHECK (kind IN ('epoch', 'lookup', 'case', 'register', 'document', 'export'));
