-- A person who cannot sign in has their export made at the records officer's desk, on the ground of their own request, and is
-- handed it.

ALTER TABLE vault.export ADD COLUMN request uuid REFERENCES vault.request;   -- null: ordered by somebody signed in
CREATE INDEX export_request ON vault.export (request) WHERE request IS NOT NULL;
-- The answers to persons of whom nothing is kept, each by its session.
CREATE INDEX export_session ON vault.export (session) WHERE client IS NULL;

-- That it was handed over: once, by whom, how and to whom.
CREATE TABLE vault.export_handover (
    export         uuid PRIMARY KEY REFERENCES vault.export,
    how            text COLLATE "C" NOT NULL CHECK (how IN ('medium-in-person', 'print-in-person', 'medium-by-letter', 'print-by-letter')),
    handed_on      date NOT NULL,
    identified_how text COLLATE "C" NOT NULL CHECK (identified_how IN ('identity-document', 'known-in-person', 'receipt-of-delivery')),
    professional   uuid NOT NULL REFERENCES vault.professional,
    entry          uuid NOT NULL,
    recorded_at    timestamptz NOT NULL,
    -- A registered letter is given out by the post, against a receipt.
    CHECK ((how IN ('medium-by-letter', 'print-by-letter')) = (identified_how = 'receipt-of-delivery'))
);

-- What is told of an export made at a desk is what that desk's agency answers for.
DROP FUNCTION IF EXISTS vault.openings(uuid[], uuid, text[], boolean, text[], timestamptz, timestamptz, uuid, boolean, integer);
