-- What people ask for that has a clock, what must not be given to them, and what the records officer's desk decides.

-- How long each kind may take, and by how much it may be put off with a notice; null: it may not.
CREATE TABLE vault.request_kind (
    kind          text COLLATE "C" PRIMARY KEY,
    answer_within interval NOT NULL,
    extension     interval,
    source        text NOT NULL
);
INSERT INTO vault.request_kind (kind, answer_within, extension, source) VALUES
    ('export-review', '1 month', '2 months', 'GDPR Art. 12(3), 15'),
    ('self-access', '1 month', '2 months', 'GDPR Art. 12(3), 15'),
    ('correction', '1 month', '2 months', 'GDPR Art. 12(3), 16'),
    ('explanation', '1 month', '2 months', 'GDPR Art. 12(3); FI 703/2023 § 11'),
    ('log-names', '2 months', NULL, 'FI 703/2023 § 11'),
    ('log-older', '2 months', NULL, 'FI 703/2023 § 11');

CREATE TABLE vault.request (
    id             uuid PRIMARY KEY,
    kind           text COLLATE "C" NOT NULL REFERENCES vault.request_kind,
    client         uuid NOT NULL REFERENCES vault.client,
    controller     text COLLATE "C" NOT NULL REFERENCES vault.agency,    -- whose records officers answer it
    case_id        uuid REFERENCES vault.client_case,                    -- null: all the client's cases of that controller
    document       uuid REFERENCES vault.document,
    about_entry    uuid,                                                 -- the entry that an explanation is asked for
    language       text COLLATE "C" NOT NULL,
    received_how   text COLLATE "C" NOT NULL CHECK (received_how IN ('own-pages', 'paper', 'phone', 'in-person')),
    received_on    date NOT NULL,
    first_day      date,                                                 -- the part of the log that is asked for, both days included
    last_day       date,
    sealed_text    bytea,                                                -- under the register key
    entry          uuid NOT NULL,
    recorded_at    timestamptz NOT NULL,
    CHECK (last_day >= first_day)
);
CREATE INDEX request_client ON vault.request (client);
CREATE INDEX request_controller ON vault.request (controller);

-- The newest row is how a request stands, and carries the day by which it is answered.
CREATE TABLE vault.request_state (
    request      uuid NOT NULL REFERENCES vault.request,
    n            integer NOT NULL,
    state        text COLLATE "C" NOT NULL
        CHECK (state IN ('received', 'identified', 'under-way', 'extended', 'answered', 'partly-refused', 'refused')),
    due_on       date NOT NULL,
    identified_how text COLLATE "C"                  -- how the person was identified; said once, kept by the rows after it
        CHECK (identified_how IN ('strong-identification', 'identity-document', 'signature', 'known-in-person')),
    provision    text COLLATE "C",                   -- of a refusal
    told         boolean,                            -- whether the refusal's reason is told
    sealed_text  bytea,                              -- notice or answer; under the register key
    sealed_reason bytea,                             -- of a refusal; goes to the client only where it may be told
    professional uuid REFERENCES vault.professional, -- null while only the client has acted
    entry        uuid NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (request, n),
    -- Nothing is answered to somebody who may be somebody else.
    CHECK (state NOT IN ('answered', 'partly-refused') OR identified_how IS NOT NULL),
    CHECK (state NOT IN ('partly-refused', 'refused') OR (provision IS NOT NULL AND told IS NOT NULL AND sealed_reason IS NOT NULL))
);

-- That a records officer looks at a document to answer a request, and why; the client sees it.
CREATE TABLE vault.request_look (
    id            uuid PRIMARY KEY,
    request       uuid NOT NULL REFERENCES vault.request,
    document      uuid NOT NULL REFERENCES vault.document,
    professional  uuid NOT NULL REFERENCES vault.professional,
    sealed_reason bytea NOT NULL,                    -- under the register key
    entry         uuid NOT NULL,
    recorded_at   timestamptz NOT NULL
);
CREATE INDEX request_look_document ON vault.request_look (document, professional);

-- The professionals whose names an answer tells; nobody else's are opened for anybody.
CREATE TABLE vault.request_name (
    request      uuid NOT NULL REFERENCES vault.request,
    professional uuid NOT NULL REFERENCES vault.professional,
    entry        uuid NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (request, professional)
);

-- A client's copy of a document, with pages withheld: for that client and the records officer alone.
ALTER TABLE vault.document ADD COLUMN copy_of uuid REFERENCES vault.document;

-- What was decided of giving a document to the client; the newest row of a document counts.
CREATE TABLE vault.withholding (
    id            uuid PRIMARY KEY,
    n             bigint GENERATED ALWAYS AS IDENTITY,
    document      uuid NOT NULL REFERENCES vault.document,
    request       uuid NOT NULL REFERENCES vault.request,
    how           text COLLATE "C" NOT NULL CHECK (how IN ('open', 'withheld', 'pages-withheld')),
    pages         integer[],                         -- numbered from 1
    copy          uuid REFERENCES vault.document,
    provision     text COLLATE "C",
    told          boolean,
    sealed_reason bytea,                             -- under the register key
    decided_by    uuid REFERENCES vault.professional,-- who judged that health is at stake
    professional  uuid NOT NULL REFERENCES vault.professional,
    entry         uuid NOT NULL,
    recorded_at   timestamptz NOT NULL,
    CHECK (how = 'open' OR (provision IS NOT NULL AND told IS NOT NULL AND sealed_reason IS NOT NULL)),
    CHECK ((how = 'pages-withheld') = (copy IS NOT NULL AND cardinality(pages) > 0))
);
CREATE INDEX withholding_document ON vault.withholding (document, n DESC);

-- A misfiled paper is in its place after all, or its content is destroyed alone. Once.
CREATE TABLE vault.misfiled_decision (
    document      uuid PRIMARY KEY REFERENCES vault.document,
    decision      text COLLATE "C" NOT NULL CHECK (decision IN ('in-place', 'destroyed')),
    sealed_reason bytea NOT NULL,                    -- of no client that we know: under the root key
    professional  uuid NOT NULL REFERENCES vault.professional,
    entry         uuid NOT NULL,
    recorded_at   timestamptz NOT NULL
);

CREATE TABLE vault.difference_end (
    difference    uuid PRIMARY KEY REFERENCES vault.difference,
    outcome       text COLLATE "C" NOT NULL CHECK (outcome IN ('kept', 'taken')),
    professional  uuid NOT NULL REFERENCES vault.professional,
    entry         uuid NOT NULL,
    recorded_at   timestamptz NOT NULL
);

-- A fee is a records officer's decision, told with its reason before anything is made; the client accepts it or does not.
CREATE TABLE vault.fee (
    id            uuid PRIMARY KEY,
    request       uuid NOT NULL UNIQUE REFERENCES vault.request,
    cents         integer NOT NULL CHECK (cents > 0),
    sealed_reason bytea NOT NULL,                    -- under the register key
    professional  uuid NOT NULL REFERENCES vault.professional,
    entry         uuid NOT NULL,
    recorded_at   timestamptz NOT NULL
);

CREATE TABLE vault.fee_answer (
    fee         uuid PRIMARY KEY REFERENCES vault.fee,
    accepted    boolean NOT NULL,
    entry       uuid NOT NULL,
    recorded_at timestamptz NOT NULL
);
