-- Logs that were begun anew after a restore: each has another origin, and its first leaf is the entry that says why.
CREATE TABLE vault.log_restart (
    n           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    origin      text COLLATE "C" NOT NULL UNIQUE,    -- the new log's
    former      text COLLATE "C" NOT NULL,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);
