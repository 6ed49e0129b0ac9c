-- Closing a case: each agency's sign-off, for one closing. A reopened case is closed anew, by new sign-offs.

CREATE TABLE vault.sign_off (
    case_id          uuid NOT NULL,
    closing          integer NOT NULL,               -- case_state.n of the row `closing` that it belongs to
    agency           text COLLATE "C" NOT NULL REFERENCES vault.agency,
    professional     uuid NOT NULL REFERENCES vault.professional,
    sealed_reason    bytea NOT NULL,                 -- under the case key
    final_assessment uuid REFERENCES vault.document,
    entry            uuid NOT NULL,
    recorded_at      timestamptz NOT NULL,
    PRIMARY KEY (case_id, closing, agency),
    FOREIGN KEY (case_id, closing) REFERENCES vault.case_state (case_id, n)
);
