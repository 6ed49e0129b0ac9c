-- Transfers: the table of states (that of rules/transfer.py), and what every part of them asks.
-- Source: promise P8; design.md §4 (transfers), §5; domain.md §11.3.

CREATE OR REPLACE FUNCTION vault.transfer_next(a_state text, an_event text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{
    "due": {"package": "packaged", "hold": "on-hold", "cancel": "cancelled"},
    "packaged": {"package": "packaged", "send": "sent", "reject": "rejected", "hold": "on-hold", "cancel": "cancelled"},
    "sent": {"send": "sent", "receipt": "received", "reject": "rejected"},
    "received": {"receipt": "received", "verify": "verified", "reject": "rejected"},
    "verified": {"verify": "verified", "shred": "shredded", "reject": "rejected", "hold": "retained"},
    "shredded": {"shred": "shredded", "forget": "beyond-recovery"},
    "beyond-recovery": {"forget": "beyond-recovery"},
    "rejected": {"reject": "rejected", "retry": "due", "hold": "on-hold", "cancel": "cancelled"},
    "on-hold": {"hold": "on-hold", "release": "due", "cancel": "cancelled"},
    "retained": {"hold": "retained", "release": "received"},
    "cancelled": {"cancel": "cancelled"}}'::jsonb -> a_state ->> an_event);

CREATE OR REPLACE FUNCTION vault.transfer_at(a_transfer uuid) RETURNS vault.transfer_state
LANGUAGE sql STABLE
RETURN (SELECT s FROM vault.transfer_state s WHERE s.transfer = a_transfer ORDER BY s.n DESC LIMIT 1);

-- Take one event: the new row, or null when the event cannot happen in this state. Doing again what was done adds nothing.
CREATE OR REPLACE FUNCTION vault.transfer_step(a_transfer uuid, an_event text, sealed bytea, an_entry uuid, as_of timestamptz) RETURNS vault.transfer_state
LANGUAGE plpgsql VOLATILE
AS $step$
DECLARE
    before vault.transfer_state := vault.transfer_at(a_transfer);
    after vault.transfer_state;
BEGIN
    after := (a_transfer, before.n + 1, an_event, vault.transfer_next(before.state, an_event), sealed, an_entry, as_of);
    IF after.state IS NULL THEN RETURN NULL; END IF;
    -- A package made anew, and a later reading back, are news.
    IF after.state = before.state AND an_event NOT IN ('package', 'verify') THEN RETURN before; END IF;
    INSERT INTO vault.transfer_state SELECT after.*;
    RETURN after;
END
$step$;

CREATE OR REPLACE FUNCTION vault.transfer_due(a_transfer uuid) RETURNS integer
LANGUAGE sql STABLE
RETURN (SELECT max(s.n) FROM vault.transfer_state s WHERE s.transfer = a_transfer AND s.state = 'due');

CREATE OR REPLACE FUNCTION vault.transfer_approvals(a_transfer uuid) RETURNS bigint
LANGUAGE sql STABLE
RETURN (SELECT count(*) FROM vault.transfer_approval a WHERE a.transfer = a_transfer AND a.due = vault.transfer_due(a_transfer));

CREATE OR REPLACE FUNCTION vault.is_archivist(t vault.token, a_case uuid) RETURNS boolean
LANGUAGE sql STABLE
RETURN t.actor = 'professional' AND t.role = 'archivist'
    AND EXISTS (SELECT FROM vault.client_case c WHERE c.id = a_case AND c.controller = t.agency);

-- How long a case is kept; the same numbers as in rules/processes/*.toml.
CREATE OR REPLACE FUNCTION vault.retention_years(a_process text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE a_process WHEN 'tym' THEN 4 ELSE 10 END;

CREATE OR REPLACE FUNCTION vault.closed_at(a_case uuid) RETURNS timestamptz
LANGUAGE sql STABLE
RETURN (SELECT max(s.recorded_at) FROM vault.case_state s JOIN vault.sign_off o ON o.case_id = s.case_id AND o.entry = s.entry
    WHERE s.case_id = a_case AND s.state = 'closed');

-- Is this asker the worker that is at this transfer now?
CREATE OR REPLACE FUNCTION vault.is_at(t vault.token, a_transfer uuid) RETURNS boolean
LANGUAGE sql STABLE
RETURN t.actor = 'worker' AND EXISTS (SELECT FROM vault.transfer_claim k WHERE k.transfer = a_transfer AND k.secret_sha256 = t.secret_sha256);
