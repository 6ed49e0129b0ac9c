-- Who asks by browser: sessions of clients, representatives and staff; the providers that identify them; and the recorded
-- authorities under which somebody acts for a client. Source: design.md §3.3; FI 306/2019 §6; FI 703/2023 §8, §49-51.

-- A visitor was identified and not yet looked up; a client may be somebody of whom nothing is kept (client null).
ALTER TABLE vault.token ADD COLUMN authority uuid;
ALTER TABLE vault.token DROP CONSTRAINT token_actor_check;
ALTER TABLE vault.token DROP CONSTRAINT token_check2;
ALTER TABLE vault.token ADD CONSTRAINT token_actor_check CHECK (
    actor IN ('professional', 'system', 'client', 'representative', 'records-officer', 'worker', 'visitor'));
ALTER TABLE vault.token ADD CONSTRAINT token_session_check CHECK (actor NOT IN ('client', 'representative', 'visitor') OR assertion IS NOT NULL);
ALTER TABLE vault.token ADD CONSTRAINT token_representative_check CHECK (
    CASE actor WHEN 'representative' THEN client IS NOT NULL AND authority IS NOT NULL ELSE authority IS NULL END);
ALTER TABLE vault.token ADD CONSTRAINT token_officer_check CHECK (actor <> 'records-officer' OR (professional IS NOT NULL AND role = 'records-officer'));
CREATE INDEX token_authority ON vault.token (authority) WHERE authority IS NOT NULL;

-- Who identifies people; the newest row of an id counts. A staff provider speaks for one agency, through one application.
CREATE TABLE vault.provider (
    n           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id          text COLLATE "C" NOT NULL CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    kind        text COLLATE "C" NOT NULL CHECK (kind IN ('client', 'staff')),
    issuer      text COLLATE "C" NOT NULL,
    client_id   text COLLATE "C" NOT NULL,           -- the vault's own, at the provider
    agency      text COLLATE "C" REFERENCES vault.agency,
    application text COLLATE "C" REFERENCES vault.application,
    about       jsonb NOT NULL,                      -- name in three languages, accepted acr values, names of claims
    ended       boolean NOT NULL,
    recorded_at timestamptz NOT NULL,
    CHECK ((kind = 'staff') = (agency IS NOT NULL) AND (kind = 'staff') = (application IS NOT NULL)),
    -- FI 306/2019 §6: a client is shown secret content only after strong identification.
    CHECK (kind = 'staff' OR jsonb_array_length(about -> 'acr') > 0)
);
CREATE INDEX provider_id ON vault.provider (id, n DESC);

-- A person without a personal identity code (eIDAS), bound to a client by who checked the person's papers.
CREATE TABLE vault.client_identity (
    identity_mac bytea PRIMARY KEY CHECK (length(identity_mac) = 32),
    client       uuid NOT NULL REFERENCES vault.client,
    entry        uuid NOT NULL,
    recorded_at  timestamptz NOT NULL
);

-- A code that such a person was shown after signing in, and gives to who was shown their papers; good for two weeks, once.
CREATE TABLE vault.identity_offer (
    code_sha256  bytea PRIMARY KEY CHECK (length(code_sha256) = 32),
    identity_mac bytea NOT NULL,
    entry        uuid NOT NULL,
    recorded_at  timestamptz NOT NULL
);

-- What a session is beyond its token. The token's expiry is the idle end and moves; ends_at does not.
CREATE TABLE vault.session (
    secret_sha256 bytea PRIMARY KEY REFERENCES vault.token ON DELETE CASCADE,
    provider      text COLLATE "C" NOT NULL,
    code_mac      bytea,                             -- the person's own, also while they act for another
    identity_mac  bytea NOT NULL,
    acr           text COLLATE "C",
    language      text COLLATE "C" NOT NULL,
    idle_s        integer NOT NULL CHECK (idle_s > 0),
    identified_at timestamptz NOT NULL,              -- when the provider identified the person
    ends_at       timestamptz NOT NULL
);

-- ---------------------------------------------------------------- representatives

CREATE TABLE vault.authority (
    id                 uuid PRIMARY KEY,
    client             uuid NOT NULL REFERENCES vault.client,
    case_id            uuid REFERENCES vault.client_case,                    -- null: all the client's cases
    kind               text COLLATE "C" NOT NULL CHECK (kind IN ('guardian', 'continuing-power', 'authorised')),
    scope              text COLLATE "C" NOT NULL CHECK (scope IN ('see', 'act')),
    protected_classes  text[] COLLATE "C" NOT NULL,                          -- those that were named; the others stay closed
    representative_mac bytea NOT NULL CHECK (length(representative_mac) = 32),
    from_day           date NOT NULL,
    until_day          date,                                                 -- the last day, inclusive
    sealed_about       bytea NOT NULL,               -- the representative's name and the document shown; under the register key
    given_by_client    boolean NOT NULL,
    entry              uuid NOT NULL,
    recorded_at        timestamptz NOT NULL,
    CHECK (until_day IS NULL OR until_day >= from_day),
    CHECK (NOT given_by_client OR kind = 'authorised')
);
CREATE INDEX authority_client ON vault.authority (client);
CREATE INDEX authority_representative ON vault.authority (representative_mac);

CREATE TABLE vault.authority_end (
    authority   uuid PRIMARY KEY REFERENCES vault.authority,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);

-- A minor bars a guardian, or lets them in again; the newest row counts (FI 703/2023 §51).
CREATE TABLE vault.authority_bar (
    n           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    authority   uuid NOT NULL REFERENCES vault.authority,
    barred      boolean NOT NULL,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX authority_bar_of ON vault.authority_bar (authority, n DESC);
