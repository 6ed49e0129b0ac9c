-- The log's Merkle tree: its head, its tiles, its checkpoints. Specified in docs/spec/log-tree.md.

-- One row. size and root are compared and swapped by every batch, so two sequencers cannot both append.
CREATE TABLE vault.tree (
    one              boolean PRIMARY KEY DEFAULT true CHECK (one),
    origin           text COLLATE "C" NOT NULL,
    size             bigint NOT NULL CHECK (size >= 0),
    root             bytea NOT NULL CHECK (length(root) = 32),
    uncosigned_since timestamptz                     -- null while a witness has cosigned all of it
);

-- C2SP tlog-tiles: up to 256 hashes of 32 bytes; level 0 holds vault.entry.leaf. A tile only grows.
CREATE TABLE vault.tree_tile (
    level  integer NOT NULL CHECK (level BETWEEN 0 AND 7),
    n      bigint NOT NULL CHECK (n >= 0),
    hashes bytea NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (level, n)
);
ALTER TABLE vault.tree_tile ALTER COLUMN hashes SET STORAGE EXTERNAL;  -- hashes do not compress

-- The newest, all that are not cosigned since, and the last one of each day; older ones follow from the tiles.
CREATE TABLE vault.checkpoint (
    size        bigint PRIMARY KEY CHECK (size >= 0),
    root        bytea NOT NULL CHECK (length(root) = 32),
    note        text COLLATE "C" NOT NULL,
    signed_at   timestamptz NOT NULL,
    cosigned_at timestamptz
);
CREATE INDEX checkpoint_signed ON vault.checkpoint (signed_at);

-- A queue: many rows come and go, so it is vacuumed by number, not by share.
ALTER TABLE vault.entry_pending SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
