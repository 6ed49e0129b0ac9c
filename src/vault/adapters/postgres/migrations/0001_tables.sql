-- Every table of the spine. Facts are append-only: a change is a new row, and recorded_at says since when we know it.
-- No table here is open to the service's role; all of it is reached through the functions of sql/*.sql.
-- Columns named sealed_* hold ciphertext (docs/spec/keys.md); nothing else may hold a name, a code, a title or a text.

CREATE SCHEMA IF NOT EXISTS vault;

-- ---------------------------------------------------------------- the registry: who takes part

CREATE TABLE vault.agency (
    id          text COLLATE "C" PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
    name        jsonb NOT NULL,                      -- {"fi": …, "sv": …, "en": …}: an organisation's name, no person's
    recorded_at timestamptz NOT NULL
);

CREATE TABLE vault.unit (
    id          text COLLATE "C" PRIMARY KEY,
    agency      text COLLATE "C" NOT NULL REFERENCES vault.agency,
    name        jsonb NOT NULL,
    recorded_at timestamptz NOT NULL,
    CHECK (id ~ '^[a-z0-9-]+/[a-z0-9][a-z0-9-]{0,62}$' AND split_part(id, '/', 1) = agency)
);

CREATE TABLE vault.application (
    id            text COLLATE "C" PRIMARY KEY,      -- the OAuth client_id
    agency        text COLLATE "C" NOT NULL REFERENCES vault.agency,
    dpop_required boolean NOT NULL,
    jwks_url      text,
    recorded_at   timestamptz NOT NULL
);

CREATE TABLE vault.application_key (
    application text COLLATE "C" NOT NULL REFERENCES vault.application,
    kid         text COLLATE "C" NOT NULL,
    jwk         jsonb NOT NULL,                      -- the public key only
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (application, kid)
);

CREATE TABLE vault.application_key_end (
    application text COLLATE "C" NOT NULL,
    kid         text COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (application, kid),
    FOREIGN KEY (application, kid) REFERENCES vault.application_key
);

-- The newest row of an agency (application null) or of an application tells whether it is suspended.
CREATE TABLE vault.suspension (
    n           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    agency      text COLLATE "C" NOT NULL REFERENCES vault.agency,
    application text COLLATE "C" REFERENCES vault.application,
    suspended   boolean NOT NULL,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX suspension_agency ON vault.suspension (agency, n DESC);

CREATE TABLE vault.professional (
    id          uuid PRIMARY KEY,
    agency      text COLLATE "C" NOT NULL REFERENCES vault.agency,
    subject     text COLLATE "C" NOT NULL,           -- the professional's opaque id at the agency (sub)
    sealed_name bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    UNIQUE (agency, subject)
);

CREATE TABLE vault.professional_role (
    n            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    professional uuid NOT NULL REFERENCES vault.professional,
    role         text COLLATE "C" NOT NULL,
    unit         text COLLATE "C" REFERENCES vault.unit,
    recorded_at  timestamptz NOT NULL
);
CREATE INDEX professional_role_of ON vault.professional_role (professional);

CREATE TABLE vault.professional_role_end (
    role_row    bigint PRIMARY KEY REFERENCES vault.professional_role,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE vault.catalogue_type (
    code        text COLLATE "C" PRIMARY KEY,        -- a type added later is not covered by an older consent's "any"
    recorded_at timestamptz NOT NULL
);

-- ---------------------------------------------------------------- who asks: recorded tokens, sessions and jobs

CREATE TABLE vault.token (
    secret_sha256 bytea PRIMARY KEY CHECK (length(secret_sha256) = 32),
    actor         text COLLATE "C" NOT NULL CHECK (actor IN ('professional', 'system', 'client', 'representative', 'records-officer', 'worker')),
    agency        text COLLATE "C" REFERENCES vault.agency,
    unit          text COLLATE "C" REFERENCES vault.unit,
    application   text COLLATE "C" REFERENCES vault.application,
    professional  uuid REFERENCES vault.professional,
    role          text COLLATE "C",
    purpose       text COLLATE "C",
    client        uuid,                              -- the person that a client's session or a job is about
    case_id       uuid,
    acts          text[] COLLATE "C",                -- for a job: what it may ask for
    assertion     bytea,                             -- SHA-256 of what the agency signed; the text is in vault.assertion
    jkt           text COLLATE "C",
    issued_at     timestamptz NOT NULL,
    expires_at    timestamptz NOT NULL,
    CHECK (actor NOT IN ('professional', 'system', 'records-officer') OR (agency IS NOT NULL AND application IS NOT NULL AND assertion IS NOT NULL)),
    CHECK (actor <> 'professional' OR (professional IS NOT NULL AND role IS NOT NULL AND purpose IS NOT NULL)),
    CHECK (actor <> 'client' OR client IS NOT NULL),
    CHECK (actor <> 'worker' OR acts IS NOT NULL)
);
CREATE INDEX token_expiry ON vault.token (expires_at);

CREATE TABLE vault.token_end (
    secret_sha256 bytea PRIMARY KEY REFERENCES vault.token ON DELETE CASCADE,
    recorded_at   timestamptz NOT NULL
);

CREATE TABLE vault.assertion (
    digest      bytea PRIMARY KEY CHECK (length(digest) = 32),
    sealed      bytea NOT NULL,
    recorded_at timestamptz NOT NULL
);

-- A jti works once per issuer, also across restarts and replicas (RFC 7523 §3, RFC 9449 §11.1).
CREATE TABLE vault.burnt (
    kind       text COLLATE "C" NOT NULL,
    digest     bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (kind, digest)
);

-- ---------------------------------------------------------------- keys

CREATE TABLE vault.wrapped_key (
    kind        text COLLATE "C" NOT NULL CHECK (kind IN ('epoch', 'lookup', 'case', 'register', 'document')),
    subject     text COLLATE "C" NOT NULL,
    parent      text COLLATE "C" NOT NULL,           -- kind:subject of the wrapping key, or root:<id>
    wrapped     bytea NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX wrapped_key_parent ON vault.wrapped_key (parent);

-- ---------------------------------------------------------------- clients and cases

CREATE TABLE vault.client (
    id          uuid PRIMARY KEY,
    adult_on    date NOT NULL,                       -- the 18th birthday; -infinity for those who were adults already
    recorded_at timestamptz NOT NULL
);

-- What is registered about a client; the newest row counts. A keyed digest shows a difference without opening anything.
CREATE TABLE vault.client_about (
    client            uuid NOT NULL REFERENCES vault.client,
    n                 integer NOT NULL,
    sealed            bytea NOT NULL,                -- under the register key
    name_mac          bytea NOT NULL,
    born_mac          bytea NOT NULL,
    language          text COLLATE "C" NOT NULL,
    interpreter       text COLLATE "C",
    address_protected boolean NOT NULL,              -- turvakielto
    recorded_at       timestamptz NOT NULL,
    PRIMARY KEY (client, n)
);

-- A person's codes, old ones too: the code may change, and an old paper must still find the person.
CREATE TABLE vault.client_code (
    code_mac    bytea PRIMARY KEY,
    client      uuid NOT NULL REFERENCES vault.client,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE vault.client_death (
    client      uuid PRIMARY KEY REFERENCES vault.client,
    died_on     date NOT NULL,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE vault.client_case (
    id           uuid PRIMARY KEY,
    client       uuid NOT NULL REFERENCES vault.client,
    process      text COLLATE "C" NOT NULL,
    controller   text COLLATE "C" NOT NULL REFERENCES vault.agency,  -- who answers for the case's records
    language     text COLLATE "C" NOT NULL,
    interpreter  text COLLATE "C",
    sealed_about bytea NOT NULL,                     -- what was given of the client at opening, under the case key
    entry        uuid NOT NULL,
    recorded_at  timestamptz NOT NULL
);
CREATE INDEX client_case_client ON vault.client_case (client);

-- Given facts that differ from the registered ones: for a records officer, never overwritten.
CREATE TABLE vault.difference (
    id          uuid PRIMARY KEY,
    client      uuid NOT NULL REFERENCES vault.client,
    case_id     uuid NOT NULL REFERENCES vault.client_case,
    fields      text[] COLLATE "C" NOT NULL,
    recorded_at timestamptz NOT NULL
);

-- closing, closed, in-transfer, archived, or open again; a case without a row is open or awaits consent.
CREATE TABLE vault.case_state (
    case_id       uuid NOT NULL REFERENCES vault.client_case,
    n             integer NOT NULL,
    state         text COLLATE "C" NOT NULL CHECK (state IN ('open', 'closing', 'closed', 'in-transfer', 'archived')),
    sealed_reason bytea,
    entry         uuid NOT NULL,
    recorded_at   timestamptz NOT NULL,
    PRIMARY KEY (case_id, n)
);

CREATE TABLE vault.case_reference (
    case_id     uuid NOT NULL REFERENCES vault.client_case,
    agency      text COLLATE "C" NOT NULL REFERENCES vault.agency,
    n           integer NOT NULL,
    sealed      bytea NOT NULL,                      -- the agency's own reference, under the case key
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (case_id, agency, n)
);

CREATE TABLE vault.hold (
    id            uuid PRIMARY KEY,
    case_id       uuid NOT NULL REFERENCES vault.client_case,
    professional  uuid NOT NULL REFERENCES vault.professional,
    sealed_reason bytea NOT NULL,
    entry         uuid NOT NULL,
    recorded_at   timestamptz NOT NULL
);
CREATE INDEX hold_case ON vault.hold (case_id);

CREATE TABLE vault.hold_end (
    hold        uuid PRIMARY KEY REFERENCES vault.hold,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE vault.member (
    id          uuid PRIMARY KEY,
    case_id     uuid NOT NULL REFERENCES vault.client_case,
    agency      text COLLATE "C" NOT NULL REFERENCES vault.agency,
    role        text COLLATE "C" NOT NULL,
    from_day    date NOT NULL,
    until_day   date,                                -- the last day, inclusive
    meeting     uuid,                                -- set when the membership is for one meeting
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    CHECK (until_day IS NULL OR until_day >= from_day)
);
CREATE INDEX member_case ON vault.member (case_id, agency);
CREATE INDEX member_agency ON vault.member (agency, case_id);

CREATE TABLE vault.member_end (
    member      uuid PRIMARY KEY REFERENCES vault.member,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);

-- The professionals of member agencies who have asked in a case: the first permitted ask joins them.
CREATE TABLE vault.participant (
    case_id      uuid NOT NULL REFERENCES vault.client_case,
    professional uuid NOT NULL REFERENCES vault.professional,
    entry        uuid NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (case_id, professional)
);

-- ---------------------------------------------------------------- documents

CREATE TABLE vault.document (
    id                  uuid PRIMARY KEY,
    case_id             uuid NOT NULL REFERENCES vault.client_case,
    type                text COLLATE "C" NOT NULL REFERENCES vault.catalogue_type,
    agency              text COLLATE "C" NOT NULL REFERENCES vault.agency,   -- who filed it
    unit                text COLLATE "C" REFERENCES vault.unit,
    application         text COLLATE "C" NOT NULL REFERENCES vault.application,
    professional        uuid REFERENCES vault.professional,
    source              text COLLATE "C" NOT NULL REFERENCES vault.agency,   -- who answers for its content
    source_unit         text COLLATE "C" REFERENCES vault.unit,
    attachment_of       uuid REFERENCES vault.document,
    replaces            uuid REFERENCES vault.document,
    series              uuid NOT NULL,               -- the first version's id
    dated               date NOT NULL,
    valid_until         date,
    language            text COLLATE "C" NOT NULL,
    protected_classes   text[] COLLATE "C" NOT NULL,
    third_persons       boolean NOT NULL,
    check_before_client boolean NOT NULL,
    original            boolean NOT NULL,
    media_type          text COLLATE "C" NOT NULL,
    key_parent          text COLLATE "C" NOT NULL CHECK (key_parent IN ('case', 'register')),
    sealed_about        bytea NOT NULL,              -- title and file name
    entry               uuid NOT NULL,
    recorded_at         timestamptz NOT NULL
);
CREATE INDEX document_case ON vault.document (case_id, id);

-- One row per attempted upload, written before the object's first byte; the object's name is random.
CREATE TABLE vault.attempt (
    object      text COLLATE "C" PRIMARY KEY CHECK (object ~ '^[0-9a-f]{32}$'),
    document    uuid NOT NULL REFERENCES vault.document,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX attempt_document ON vault.attempt (document);

-- An attempt that was given up: its late commit is refused, then its object may be deleted.
CREATE TABLE vault.attempt_end (
    object      text COLLATE "C" PRIMARY KEY REFERENCES vault.attempt,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE vault.filing (
    document      uuid PRIMARY KEY REFERENCES vault.document,
    object        text COLLATE "C" NOT NULL UNIQUE REFERENCES vault.attempt,
    size_bytes    bigint NOT NULL CHECK (size_bytes >= 0),
    sealed_digest bytea NOT NULL,                    -- SHA-256 of the plaintext
    entry         uuid NOT NULL,
    recorded_at   timestamptz NOT NULL
);

CREATE TABLE vault.document_mark (
    document    uuid NOT NULL REFERENCES vault.document,
    mark        text COLLATE "C" NOT NULL CHECK (mark IN ('retracted', 'misfiled', 'checked')),
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (document, mark)
);

-- Agencies that lawfully read a document: they may be told why it is closed to them now.
CREATE TABLE vault.known (
    document    uuid NOT NULL REFERENCES vault.document,
    agency      text COLLATE "C" NOT NULL REFERENCES vault.agency,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (document, agency)
);

-- ---------------------------------------------------------------- consents and prohibitions

CREATE TABLE vault.consent (
    id                uuid PRIMARY KEY,
    n                 bigint GENERATED ALWAYS AS IDENTITY UNIQUE,            -- the order of recording
    case_id           uuid NOT NULL REFERENCES vault.client_case,
    form              uuid NOT NULL UNIQUE REFERENCES vault.document,
    signed_on         date NOT NULL,
    language          text COLLATE "C" NOT NULL,
    capacity          text COLLATE "C" NOT NULL CHECK (capacity IN ('client', 'guardian', 'continuing-power', 'authorised')),
    authority         text COLLATE "C",
    verified_how      text COLLATE "C" NOT NULL,
    valid_from        date NOT NULL,
    valid_until       date,
    replaces          uuid REFERENCES vault.consent,
    provisions_digest bytea NOT NULL CHECK (length(provisions_digest) = 32),
    sealed_about      bytea NOT NULL,                -- signer's name, digest of the form; under the register key
    entry             uuid NOT NULL,
    recorded_at       timestamptz NOT NULL,
    CHECK (valid_until IS NULL OR valid_until >= valid_from)
);
CREATE INDEX consent_case ON vault.consent (case_id);
CREATE INDEX consent_replaces ON vault.consent (replaces);

-- A null list in a permit cannot occur; a null list in a deny matches everything.
CREATE TABLE vault.provision (
    consent           uuid NOT NULL REFERENCES vault.consent,
    number            integer NOT NULL CHECK (number > 0),
    effect            text COLLATE "C" NOT NULL CHECK (effect IN ('permit', 'deny')),
    recipients        jsonb,
    sources           jsonb,
    documents         jsonb,
    actions           text[] COLLATE "C",
    purposes          text[] COLLATE "C",
    dated_from        date,
    dated_until       date,
    protected_classes text[] COLLATE "C",
    future_documents  boolean NOT NULL,
    PRIMARY KEY (consent, number),
    CHECK (effect = 'deny' OR (recipients IS NOT NULL AND sources IS NOT NULL AND documents IS NOT NULL
        AND actions IS NOT NULL AND purposes IS NOT NULL AND protected_classes IS NOT NULL))
);

-- The client's own confirmation, after the 18th birthday, of what a guardian signed.
CREATE TABLE vault.consent_confirmation (
    consent     uuid PRIMARY KEY REFERENCES vault.consent,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE vault.withdrawal (
    id            uuid PRIMARY KEY,
    consent       uuid NOT NULL REFERENCES vault.consent,
    provisions    integer[],                         -- null: the whole consent
    given_at      timestamptz NOT NULL,              -- when the client gave it, which may be before it was recorded
    sealed_reason bytea,
    entry         uuid NOT NULL,
    recorded_at   timestamptz NOT NULL
);
CREATE INDEX withdrawal_consent ON vault.withdrawal (consent);

CREATE TABLE vault.prohibition (
    id                uuid PRIMARY KEY,
    client            uuid NOT NULL REFERENCES vault.client,
    case_id           uuid REFERENCES vault.client_case,                     -- null: in all the client's cases
    recipients        jsonb,
    sources           jsonb,
    documents         jsonb,
    actions           text[] COLLATE "C",
    purposes          text[] COLLATE "C",
    dated_from        date,
    dated_until       date,
    protected_classes text[] COLLATE "C",
    entry             uuid NOT NULL,
    recorded_at       timestamptz NOT NULL
);
CREATE INDEX prohibition_client ON vault.prohibition (client);

CREATE TABLE vault.prohibition_end (
    prohibition uuid PRIMARY KEY REFERENCES vault.prohibition,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);

-- ---------------------------------------------------------------- the door's own

-- How often the facts of a scope (case:…, client:…, agency:…) have changed. Every function that writes a fact moves it
-- first, in its own transaction; take compares. So a withdrawal and a release cannot pass each other unseen.
CREATE TABLE vault.fact_version (
    scope text COLLATE "C" PRIMARY KEY,
    n     bigint NOT NULL
) WITH (fillfactor = 50);

-- A permit between ask and take, and, for a release, until its outcome is known.
CREATE TABLE vault.clearance (
    entry       uuid PRIMARY KEY,
    asker       bytea NOT NULL,
    act         text COLLATE "C" NOT NULL,
    xid         xid8 NOT NULL,
    asked_at    timestamptz NOT NULL,
    day         date NOT NULL,
    agency      text COLLATE "C",
    case_id     uuid,
    client      uuid,
    document    uuid,
    case_n      bigint,
    client_n    bigint,
    agency_n    bigint,
    keys        text[] COLLATE "C" NOT NULL,         -- kind:subject of the keys that take hands out
    process     uuid,                                -- which service process sends the release
    taken_at    timestamptz
) WITH (fillfactor = 50);
CREATE INDEX clearance_process ON vault.clearance (process) WHERE taken_at IS NOT NULL;

-- Service processes that renew the leases of running releases; one that is not seen any more has sent its last byte.
CREATE TABLE vault.process (
    id      uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- ---------------------------------------------------------------- the access log

-- One entry; its bytes and commitments are specified in docs/spec/log-entry.md. Partitioned by the month in its UUIDv7.
CREATE TABLE vault.entry (
    id                uuid NOT NULL,
    at                timestamptz NOT NULL,
    act               text COLLATE "C" NOT NULL,
    actor             text COLLATE "C" NOT NULL,
    agency            text COLLATE "C",
    unit              text COLLATE "C",
    application       text COLLATE "C",
    professional      uuid,
    role              text COLLATE "C",
    purpose           text COLLATE "C",
    assertion         bytea,
    client            uuid,
    case_id           uuid,
    document          uuid,
    document_type     text COLLATE "C",
    source            text COLLATE "C",
    action            text COLLATE "C",
    decision          text COLLATE "C",
    basis             text COLLATE "C",
    consent           uuid,
    provision         integer,
    provisions_digest bytea,
    reasons           text[] COLLATE "C",
    confirmation      text[] COLLATE "C",
    delivery          uuid,
    meeting           uuid,
    opening           uuid,
    of_entry          uuid,                          -- for an outcome: the entry that announced it
    outcome           text COLLATE "C",
    bytes             bigint,
    byte_range        text COLLATE "C",
    facts             text COLLATE "C",              -- codes only: what was listed, which fields changed
    salts             bytea,                         -- null once erased; then commitments holds what salts proved
    commitments       bytea,
    leaf              bytea NOT NULL,
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX entry_case ON vault.entry (case_id, id);
CREATE INDEX entry_document ON vault.entry (document, id);
CREATE TABLE vault.entry_default PARTITION OF vault.entry DEFAULT;

-- Entries that the tree does not hold yet; ask fills it, the sequencer empties it, in any order.
CREATE TABLE vault.entry_pending (
    entry uuid PRIMARY KEY,
    leaf  bytea NOT NULL
);

CREATE TABLE vault.entry_position (
    leaf_index bigint PRIMARY KEY CHECK (leaf_index >= 0),
    entry      uuid NOT NULL UNIQUE
);

-- What an application's Idempotency-Key stood for: ids and a keyed digest of the request, no content. 24 hours.
CREATE TABLE vault.idempotency (
    application text COLLATE "C" NOT NULL,
    key_sha256  bytea NOT NULL CHECK (length(key_sha256) = 32),
    request_mac bytea NOT NULL CHECK (length(request_mac) = 32),
    subject     uuid NOT NULL,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (application, key_sha256)
);

-- ---------------------------------------------------------------- what others must hear of

CREATE TABLE vault.outbox (
    id          uuid PRIMARY KEY,
    topic       text COLLATE "C" NOT NULL,
    scope       text COLLATE "C" NOT NULL,           -- case:…, client:…, agency:…
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE vault.notice (
    id          uuid PRIMARY KEY,
    agency      text COLLATE "C" NOT NULL REFERENCES vault.agency,
    kind        text COLLATE "C" NOT NULL,
    case_id     uuid NOT NULL REFERENCES vault.client_case,
    consent     uuid,
    document    uuid,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX notice_agency ON vault.notice (agency, id);

CREATE TABLE vault.notice_ack (
    notice      uuid PRIMARY KEY REFERENCES vault.notice,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);

INSERT INTO vault.catalogue_type (code, recorded_at)
SELECT code, '2026-01-01 00:00:00Z'
FROM unnest(ARRAY['suostumus', 'peruutus', 'aloite', 'hakemus', 'esitietolomake', 'palvelutarvearvio', 'lahete', 'b-lausunto',
    'lausunto', 'saate', 'paperikonsultaatio', 'kutsu', 'muistio', 'muistilista', 'kannanotto', 'suositus',
    'tyollistymissuunnitelma', 'kuntoutussuunnitelma', 'ammatillinen-suunnitelma', 'kuntoutuspalaute', 'seurantapalaute',
    'omat-tavoitteeni', 'paatos', 'toimeksianto', 'todistus', 'loppuarvio', 'muu']) AS code;
