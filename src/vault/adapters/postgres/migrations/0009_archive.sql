-- Transfers to their end: the package that is about to be made, how far it is, what was shredded, the rotation of keys, and
-- what the archive is asked for afterwards. Every row is added, none changed, but for progress.

ALTER TABLE vault.archive
    ADD COLUMN wait_days integer NOT NULL DEFAULT 14 CHECK (wait_days BETWEEN 0 AND 366),  -- between reading back and shredding
    ADD COLUMN contact jsonb;                        -- {"fi": …, "sv": …, "en": …}: how a person reaches the archive

-- A receipt key that counts no more, also for transfers that are under way.
CREATE TABLE vault.receipt_key_end (
    archive     text COLLATE "C" NOT NULL,
    kid         text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (archive, kid)
);

-- A package about to be made: recorded before its first byte, so that whoever goes on after a crash makes the same one, and
-- can open what lies at the archive already.
CREATE TABLE vault.transfer_draft (
    transfer        uuid NOT NULL REFERENCES vault.transfer,
    due             integer NOT NULL,                -- transfer_state.n of the row `due` that it belongs to
    made_at         timestamptz NOT NULL,            -- the time of every file in the package
    recipient       text COLLATE "C" NOT NULL,       -- age1…, made for this transfer
    sealed_identity bytea NOT NULL,                  -- that opens it, under the case key
    entry           uuid NOT NULL,
    recorded_at     timestamptz NOT NULL,
    PRIMARY KEY (transfer, due)
);

ALTER TABLE vault.transfer_package ADD COLUMN version text COLLATE "C";  -- the stored object's, where the store keeps versions

-- Until when the store itself refuses to remove the package; read back from it.
CREATE TABLE vault.transfer_lock (
    transfer    uuid NOT NULL REFERENCES vault.transfer,
    n           integer NOT NULL,                    -- transfer_state.n of the row `verified`
    until       timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (transfer, n)
);

-- How far the worker is, and what stopped it last; for people, nothing rests on it.
CREATE TABLE vault.transfer_progress (
    transfer      uuid PRIMARY KEY REFERENCES vault.transfer,
    phase         text COLLATE "C",                  -- packaging, reading-back; null when nothing is under way
    documents     bigint,
    documents_all bigint,
    bytes         bigint,
    bytes_all     bigint,
    began_at      timestamptz,
    trouble       text,                              -- one sentence without personal data
    trouble_at    timestamptz,
    recorded_at   timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Under which epoch key a shredded case's key stood: when that is destroyed too, no backup opens the case.
CREATE TABLE vault.shredded (
    case_id     uuid PRIMARY KEY REFERENCES vault.client_case,
    transfer    uuid NOT NULL REFERENCES vault.transfer,
    epoch       text COLLATE "C" NOT NULL,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);

-- ---------------------------------------------------------------- the rotation of keys

CREATE TABLE vault.key_rotation (
    n           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    root        text COLLATE "C" NOT NULL,           -- root:<id>, under which everything stands afterwards
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE vault.key_rotation_end (
    rotation    bigint PRIMARY KEY REFERENCES vault.key_rotation,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);

-- Keys (epoch:…, root:…) under which nothing is wrapped any more.
CREATE TABLE vault.key_retired (
    name        text COLLATE "C" PRIMARY KEY,
    rotation    bigint NOT NULL REFERENCES vault.key_rotation,
    recorded_at timestamptz NOT NULL
);

-- Retired keys that were destroyed.
CREATE TABLE vault.key_end (
    name        text COLLATE "C" PRIMARY KEY REFERENCES vault.key_retired,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);

-- ---------------------------------------------------------------- afterwards

-- A person's request for what the archive has by now; routed there, and answered there.
CREATE TABLE vault.archive_request (
    id          uuid PRIMARY KEY,
    transfer    uuid NOT NULL REFERENCES vault.transfer,
    of_request  uuid,                                -- the request in the vault that it came from
    due_on      date NOT NULL,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX archive_request_transfer ON vault.archive_request (transfer);

CREATE TABLE vault.archive_request_end (
    request      uuid PRIMARY KEY REFERENCES vault.archive_request,
    outcome      text COLLATE "C" NOT NULL CHECK (outcome IN ('given', 'refused', 'not-found')),
    professional uuid REFERENCES vault.professional,
    entry        uuid NOT NULL,
    recorded_at  timestamptz NOT NULL
);

-- It takes the waiting time and the contact from now on.
DROP FUNCTION IF EXISTS vault.archive_register(text, text, jsonb, jsonb, jsonb);
