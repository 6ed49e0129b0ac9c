-- Transfers of closed cases to the archive. The states and events are those of rules/transfer.py; every row is added, none
-- changed, but for the claim of the worker that is at it.

-- An archive and its public keys; the newest row of an agency counts. The vault never holds an archive's private key.
CREATE TABLE vault.archive (
    n            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id           text COLLATE "C" NOT NULL CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    agency       text COLLATE "C" NOT NULL REFERENCES vault.agency,  -- the controller whose closed cases go there
    name         jsonb NOT NULL,
    recipients   jsonb NOT NULL,                     -- [{"name", "recipient": "age1…"}]
    receipt_keys jsonb NOT NULL,                     -- {"keys": [public Ed25519 JWK]}
    recorded_at  timestamptz NOT NULL
);
CREATE INDEX archive_agency ON vault.archive (agency, n DESC);

CREATE TABLE vault.transfer (
    id          uuid PRIMARY KEY,
    case_id     uuid NOT NULL REFERENCES vault.client_case,
    archive     bigint NOT NULL REFERENCES vault.archive,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX transfer_case ON vault.transfer (case_id);

CREATE TABLE vault.transfer_state (
    transfer      uuid NOT NULL REFERENCES vault.transfer,
    n             integer NOT NULL,
    event         text COLLATE "C",                  -- null for the first row
    state         text COLLATE "C" NOT NULL,
    sealed_reason bytea,                             -- of a rejection, under the root key
    entry         uuid NOT NULL,
    recorded_at   timestamptz NOT NULL,
    PRIMARY KEY (transfer, n)
);

-- Two different archivists, for each time that it is due.
CREATE TABLE vault.transfer_approval (
    transfer     uuid NOT NULL REFERENCES vault.transfer,
    due          integer NOT NULL,                   -- transfer_state.n of the row `due` that it belongs to
    professional uuid NOT NULL REFERENCES vault.professional,
    entry        uuid NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (transfer, due, professional)
);

-- What was made: the newest row is what is sent, and what the receipt must be for.
CREATE TABLE vault.transfer_package (
    transfer       uuid NOT NULL REFERENCES vault.transfer,
    n              integer NOT NULL,                 -- transfer_state.n of the row `packaged`
    made_at        timestamptz NOT NULL,
    package_size   bigint NOT NULL,
    package_sha256 bytea NOT NULL CHECK (length(package_sha256) = 32),
    tar_size       bigint NOT NULL,
    tar_sha256     bytea NOT NULL CHECK (length(tar_sha256) = 32),
    files          bigint NOT NULL,
    payload_bytes  bigint NOT NULL,
    retention_ends date,
    PRIMARY KEY (transfer, n)
);

CREATE TABLE vault.transfer_receipt (
    transfer    uuid NOT NULL REFERENCES vault.transfer,
    n           integer NOT NULL,                    -- transfer_state.n of the row `received`
    sealed      bytea NOT NULL,                      -- the JWS, which may name who received it; under the root key
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (transfer, n)
);

-- Which worker is at it, by its job's secret, and until when nobody else takes it up.
CREATE TABLE vault.transfer_claim (
    transfer      uuid PRIMARY KEY REFERENCES vault.transfer,
    secret_sha256 bytea,
    until         timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Objects of a shredded case that were removed from the store.
CREATE TABLE vault.object_end (
    object      text COLLATE "C" PRIMARY KEY REFERENCES vault.attempt,
    recorded_at timestamptz NOT NULL
);
