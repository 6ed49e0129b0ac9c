-- Restriction of processing (GDPR Art. 18): a request with its ground; granted, a prohibition that a records officer ends, and
-- only after the person was told. GDPR Art. 18(3).
INSERT INTO vault.request_kind (kind, answer_within, extension, source) VALUES
    ('restriction', '1 month', '2 months', 'GDPR Art. 12(3), 18');

ALTER TABLE vault.request
    ADD COLUMN ground text COLLATE "C" CHECK (ground IN ('accuracy', 'unlawful', 'claim', 'objection')),   -- the four of Art. 18(1)
    ADD CHECK ((kind = 'restriction') = (ground IS NOT NULL));

-- Null: the client's own, to end at any time.
ALTER TABLE vault.prohibition
    ADD COLUMN request uuid REFERENCES vault.request,
    ADD CHECK (request IS NULL OR (case_id IS NOT NULL AND NOT pause AND recipients IS NULL AND actions IS NULL));
CREATE INDEX prohibition_request ON vault.prohibition (request);

-- That a restriction will end, and from which day; the newest counts.
CREATE TABLE vault.restriction_notice (
    request      uuid NOT NULL REFERENCES vault.request,
    n            integer NOT NULL,
    ends_from    date NOT NULL,
    sealed_text  bytea NOT NULL,                     -- why; under the register key
    professional uuid NOT NULL REFERENCES vault.professional,
    entry        uuid NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (request, n)
);
