-- Closing, opening again, and holds. Closing ends every agency's reading at once (promise P6): the case's version moves, and
-- running releases are decided anew. Source: design.md §4 (close, reopen, holds); domain.md §4.

-- How many different agencies sign off before a case is closed; the same numbers as in rules/processes/*.toml.
CREATE OR REPLACE FUNCTION vault.sign_offs_needed(a_process text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE a_process WHEN 'tym' THEN 3 ELSE 1 END;  -- FI 381/2023 §8: the joint assessment of the three authorities

CREATE OR REPLACE FUNCTION vault.closing_of(a_case uuid) RETURNS integer
LANGUAGE sql STABLE
RETURN (SELECT max(s.n) FROM vault.case_state s WHERE s.case_id = a_case AND s.state = 'closing');

-- How a closing stands: who signed off, and how many are still missing.
CREATE OR REPLACE FUNCTION vault.closing_json(a_case uuid, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('state', vault.case_status(a_case, as_of), 'needed', vault.sign_offs_needed(c.process),
        'signed', ARRAY(SELECT s.agency FROM vault.sign_off s WHERE s.case_id = a_case AND s.closing = vault.closing_of(a_case) ORDER BY s.agency))
    FROM vault.client_case c WHERE c.id = a_case);

CREATE OR REPLACE FUNCTION vault.record_state(a_case uuid, a_state text, sealed bytea, an_entry uuid, as_of timestamptz) RETURNS integer
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO vault.case_state (case_id, n, state, sealed_reason, entry, recorded_at)
    SELECT a_case, coalesce(max(s.n), 0) + 1, a_state, sealed, an_entry, as_of FROM vault.case_state s WHERE s.case_id = a_case
    RETURNING n;
END;

-- Close a case, or sign off its closing for the caller's agency. The coordinator begins; nobody reads from then on. It is
-- closed when as many agencies have signed off as its process asks for.
CREATE OR REPLACE FUNCTION vault.case_close(secret bytea, a_case uuid, sealed bytea, a_final_assessment uuid) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    cc vault.client_case;
    state text;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    SELECT * INTO cc FROM vault.client_case c WHERE c.id = a_case;
    e := vault.entry_of(t, 'case-close', now);
    e.case_id := a_case; e.client := cc.client;
    IF t.actor <> 'professional' OR NOT vault.is_member(a_case, t.agency, t.role, now) OR cc.id IS NULL THEN
        RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL);
    END IF;
    -- From here on, what was decided before can no longer be taken, and what is recorded is later than it.
    PERFORM vault.move('case:' || a_case);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    state := vault.recorded_state(a_case, now);
    IF state IN ('in-transfer', 'archived') THEN RETURN vault.conclude(e, 'forbidden', '{case-archived}', NULL); END IF;
    IF state = 'closed' THEN RETURN vault.conclude(e, 'done', NULL, vault.closing_json(a_case, now)); END IF;
    IF state IS NULL AND NOT vault.is_coordinator(t, a_case, now) THEN RETURN vault.conclude(e, 'forbidden', '{recipient-not-covered}', NULL); END IF;
    IF a_final_assessment IS NOT NULL AND NOT EXISTS (SELECT FROM vault.document d JOIN vault.filing f ON f.document = d.id
            WHERE d.id = a_final_assessment AND d.case_id = a_case AND d.type = 'loppuarvio' AND d.agency = t.agency AND d.copy_of IS NULL) THEN
        RETURN vault.conclude(e, 'unknown-final-assessment', NULL, NULL);
    END IF;
    IF state IS NULL THEN
        PERFORM vault.record_state(a_case, 'closing', NULL, e.id, now);
        PERFORM vault.notify_agencies(a_case, t.agency, 'case-closing', NULL, e.id, now);
    END IF;
    INSERT INTO vault.sign_off (case_id, closing, agency, professional, sealed_reason, final_assessment, entry, recorded_at)
    VALUES (a_case, vault.closing_of(a_case), t.agency, t.professional, sealed, a_final_assessment, e.id, now) ON CONFLICT DO NOTHING;
    e.facts := 'signed-off';
    IF (SELECT count(*) FROM vault.sign_off s WHERE s.case_id = a_case AND s.closing = vault.closing_of(a_case)) >= vault.sign_offs_needed(cc.process) THEN
        e.facts := 'closed';
        PERFORM vault.record_state(a_case, 'closed', NULL, e.id, now);
        PERFORM vault.notify_agencies(a_case, t.agency, 'case-closed', NULL, e.id, now);
    END IF;
    PERFORM vault.tell('case-' || vault.recorded_state(a_case, now), 'case:' || a_case, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, vault.closing_json(a_case, now));
END
$act$;

-- Open a case again, or give up its closing; until its package is sent.
CREATE OR REPLACE FUNCTION vault.case_reopen(secret bytea, a_case uuid, sealed bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    state text;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_in(t, 'case-reopen', a_case, now);
    IF NOT vault.is_member(a_case, t.agency, CASE WHEN t.actor = 'professional' THEN t.role END, now) OR e.client IS NULL THEN
        RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL);
    END IF;
    IF NOT vault.is_coordinator(t, a_case, now) THEN RETURN vault.conclude(e, 'forbidden', '{recipient-not-covered}', NULL); END IF;
    PERFORM vault.move('case:' || a_case);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    state := vault.recorded_state(a_case, now);
    IF state IN ('in-transfer', 'archived') THEN RETURN vault.conclude(e, 'forbidden', '{case-archived}', NULL); END IF;
    IF state IS NOT NULL THEN
        PERFORM vault.record_state(a_case, 'open', sealed, e.id, now);
        PERFORM vault.transfers_cancel(a_case, e.id, now);
        PERFORM vault.notify_agencies(a_case, t.agency, 'case-reopened', NULL, e.id, now);
        PERFORM vault.tell('case-reopened', 'case:' || a_case, e.id, now);
    END IF;
    RETURN vault.conclude(e, 'done', NULL, vault.closing_json(a_case, now));
END
$act$;

-- A hold: something is pending (a dispute, an access request), so a closed case stays where it is.
CREATE OR REPLACE FUNCTION vault.hold_add(secret bytea, a_hold uuid, a_case uuid, sealed bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_in(t, 'hold-add', a_case, now);
    IF NOT vault.is_member(a_case, t.agency, CASE WHEN t.actor = 'professional' THEN t.role END, now) OR e.client IS NULL THEN
        RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL);
    END IF;
    IF NOT vault.is_coordinator(t, a_case, now) THEN RETURN vault.conclude(e, 'forbidden', '{recipient-not-covered}', NULL); END IF;
    -- A transfer that is about to send or to destroy waits for us, or we for it.
    PERFORM vault.move('case:' || a_case);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    IF vault.recorded_state(a_case, now) = 'archived' THEN RETURN vault.conclude(e, 'forbidden', '{case-archived}', NULL); END IF;
    IF EXISTS (SELECT FROM vault.hold h WHERE h.id = a_hold AND h.case_id = a_case) THEN RETURN vault.conclude(e, 'done', NULL, NULL); END IF;
    INSERT INTO vault.hold (id, case_id, professional, sealed_reason, entry, recorded_at)
    VALUES (a_hold, a_case, t.professional, sealed, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

CREATE OR REPLACE FUNCTION vault.hold_end(secret bytea, a_case uuid, a_hold uuid) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_in(t, 'hold-end', a_case, now);
    IF NOT vault.is_coordinator(t, a_case, now) OR e.client IS NULL THEN RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL); END IF;
    PERFORM vault.move('case:' || a_case);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    IF NOT EXISTS (SELECT FROM vault.hold h WHERE h.id = a_hold AND h.case_id = a_case) THEN RETURN vault.conclude(e, 'unknown-hold', NULL, NULL); END IF;
    INSERT INTO vault.hold_end (hold, entry, recorded_at) VALUES (a_hold, e.id, now) ON CONFLICT DO NOTHING;
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

CREATE OR REPLACE FUNCTION vault.is_held(a_case uuid) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM vault.hold h WHERE h.case_id = a_case AND NOT EXISTS (SELECT FROM vault.hold_end x WHERE x.hold = h.id))
    -- Nor does a case leave while somebody waits to be given what is in it, or to have it put right.
    OR EXISTS (SELECT FROM vault.client_case c JOIN vault.request r ON r.client = c.client AND r.controller = c.controller
        AND (r.case_id IS NULL OR r.case_id = c.id) AND r.kind IN ('export-review', 'self-access', 'correction', 'restriction')
        WHERE c.id = a_case AND vault.is_running((vault.request_at(r.id, 'infinity')).state))
    -- What is restricted is only stored: it is neither handed on nor destroyed (GDPR Art. 18(2)).
    OR vault.is_restricted(a_case);
