-- What the worker needs on the way to the archive, and what everyone may know when a case is there.
-- Source: promise P8; design.md §3.1 (acts package, verify, destroy, rewrap), §4; domain.md §11.3.

CREATE OR REPLACE FUNCTION vault.draft_of(a_transfer uuid) RETURNS vault.transfer_draft
LANGUAGE sql STABLE
RETURN (SELECT d FROM vault.transfer_draft d WHERE d.transfer = a_transfer AND d.due = vault.transfer_due(a_transfer));

CREATE OR REPLACE FUNCTION vault.package_of(a_transfer uuid) RETURNS vault.transfer_package
LANGUAGE sql STABLE
RETURN (SELECT p FROM vault.transfer_package p WHERE p.transfer = a_transfer ORDER BY p.n DESC LIMIT 1);

-- Why a closed case stays here for now; empty when nothing is pending.
CREATE OR REPLACE FUNCTION vault.pending(a_case uuid) RETURNS text[]
LANGUAGE sql STABLE
RETURN array_remove(ARRAY[CASE
    WHEN EXISTS (SELECT FROM vault.hold h WHERE h.case_id = a_case AND NOT EXISTS (SELECT FROM vault.hold_end x WHERE x.hold = h.id)) THEN 'hold'
    WHEN vault.is_restricted(a_case) THEN 'restriction'
    WHEN vault.is_held(a_case) THEN 'open-request' END,
    CASE WHEN EXISTS (SELECT FROM vault.attempt a JOIN vault.document d ON d.id = a.document WHERE d.case_id = a_case
        AND NOT EXISTS (SELECT FROM vault.filing f WHERE f.document = d.id)
        AND NOT EXISTS (SELECT FROM vault.attempt_end x WHERE x.object = a.object)) THEN 'unfinished-upload' END], NULL);

-- What holds a case back, for those who wait: who set it, when, and the reason as it was sealed; the oldest first.
CREATE OR REPLACE FUNCTION vault.holds_json(a_case uuid) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('id', h.id, 'since', vault.rfc3339(h.recorded_at), 'agency', e.agency,
        'agency_name', (SELECT g.name FROM vault.agency g WHERE g.id = e.agency), 'unit', e.unit, 'role', e.role,
        'subject', p.subject, 'sealed_name', vault.b64(p.sealed_name), 'sealed_reason', vault.b64(h.sealed_reason)) ORDER BY h.id), '[]')
    FROM vault.hold h JOIN vault.professional p ON p.id = h.professional JOIN vault.entry e ON e.id = h.entry
    WHERE h.case_id = a_case AND NOT EXISTS (SELECT FROM vault.hold_end x WHERE x.hold = h.id));

-- The status of a step that something pending has stopped; null when nothing is.
CREATE OR REPLACE FUNCTION vault.held_status(a_case uuid) RETURNS text
LANGUAGE sql STABLE
RETURN 'transfer-' || (vault.pending(a_case))[1];

-- When the waiting time after the first reading back is over; null until the archive has signed and it was read back.
CREATE OR REPLACE FUNCTION vault.shred_from(x vault.transfer) RETURNS timestamptz
LANGUAGE sql STABLE
RETURN (SELECT min(s.recorded_at) FROM vault.transfer_state s WHERE s.transfer = x.id AND s.state = 'verified'
        AND s.n > (SELECT max(r.n) FROM vault.transfer_state r WHERE r.transfer = x.id AND r.event = 'receipt'))
    + make_interval(days => (SELECT a.wait_days FROM vault.archive a WHERE a.n = x.archive));

-- Does the store itself keep the newest package to the end of its retention? A store without versions has no locks.
CREATE OR REPLACE FUNCTION vault.is_locked(a_transfer uuid) RETURNS boolean
LANGUAGE sql STABLE
RETURN (SELECT p.version IS NULL OR EXISTS (SELECT FROM vault.transfer_lock k WHERE k.transfer = a_transfer AND k.n > p.n AND k.until >= p.retention_ends)
    FROM vault.package_of(a_transfer) p);

-- One entry as it is shown with its proof: every commitment, and what it commits to while its salts are kept.
CREATE OR REPLACE FUNCTION vault.entry_shown(e vault.entry) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('entry', e.id,
        'digests', (SELECT jsonb_agg(vault.base64url(substring(c.all FROM n * 32 + 1 FOR 32)) ORDER BY n) FROM generate_series(0, length(c.all) / 32 - 1) n),
        'disclosures', CASE WHEN e.salts IS NULL THEN '[]' ELSE (SELECT jsonb_agg(vault.base64url(convert_to(
            '["' || vault.base64url(substring(e.salts FROM (f.place::integer - 1) * 16 + 1 FOR 16)) || '","' || f.name || '",' || f.value || ']', 'UTF8'))
            ORDER BY f.place) FROM vault.entry_fields(e) f) END)
    FROM (SELECT CASE WHEN e.salts IS NULL THEN e.commitments ELSE vault.entry_commitments(e) END AS "all") c);

-- ---------------------------------------------------------------- the worker's asks at the door

-- May the worker at it ask for the whole case's keys, to package it? Two archivists, a closed case, nothing pending.
CREATE OR REPLACE FUNCTION vault.may_package(t vault.token, a_case uuid, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN t.actor = 'worker' AND t.case_id = a_case AND 'package' = ANY (t.acts) AND vault.pending(a_case) = '{}'
    AND vault.recorded_state(a_case, as_of) = 'closed'
    AND EXISTS (SELECT FROM vault.transfer x WHERE x.case_id = a_case AND vault.is_at(t, x.id) AND vault.transfer_approvals(x.id) >= 2
        AND (vault.transfer_at(x.id)).state IN ('due', 'packaged'));

-- May the worker at it destroy the case's keys? The archive has signed, and the package was read back within the hour.
CREATE OR REPLACE FUNCTION vault.may_destroy(t vault.token, a_case uuid, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN t.actor = 'worker' AND t.case_id = a_case AND 'destroy' = ANY (t.acts) AND vault.pending(a_case) = '{}'
    AND vault.recorded_state(a_case, as_of) = 'in-transfer'
    AND EXISTS (SELECT FROM vault.transfer x JOIN vault.transfer_state s ON s.transfer = x.id AND s.n = (vault.transfer_at(x.id)).n
        WHERE x.case_id = a_case AND vault.is_at(t, x.id) AND s.state = 'verified' AND s.recorded_at > as_of - interval '1 hour'
          AND vault.transfer_approvals(x.id) >= 2 AND vault.shred_from(x) <= as_of AND vault.is_locked(x.id)
          AND (SELECT max(r.n) FROM vault.transfer_receipt r WHERE r.transfer = x.id) > (SELECT max(p.n) FROM vault.transfer_package p WHERE p.transfer = x.id));

-- All that a package holds, but for the papers' bytes; misfiled papers are another person's and are left out.
CREATE OR REPLACE FUNCTION vault.package_facts(a_case uuid, t vault.token, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('case', c.id, 'client', c.client, 'process', c.process, 'controller', c.controller, 'language', c.language,
        'opened_at', vault.rfc3339(c.recorded_at), 'closed_at', vault.rfc3339(vault.closed_at(c.id)), 'about', vault.b64(c.sealed_about),
        'retention_ends', (vault.helsinki_day(vault.closed_at(c.id)) + make_interval(years => vault.retention_years(c.process)))::date,
        'sign_offs', (SELECT jsonb_agg(jsonb_build_object('agency', s.agency, 'at', vault.rfc3339(s.recorded_at), 'final_assessment', s.final_assessment,
                'reason', vault.b64(s.sealed_reason)) ORDER BY s.recorded_at)
            FROM vault.sign_off s WHERE s.case_id = c.id AND s.closing = vault.closing_of(c.id)),
        'members', (SELECT jsonb_agg(jsonb_build_object('agency', m.agency, 'role', m.role, 'from', m.from_day, 'until', m.until_day) ORDER BY m.id)
            FROM vault.member m WHERE m.case_id = c.id),
        -- Names of the organisations that stand in it: an id tells nobody anything in ten years.
        'agencies', (SELECT coalesce(jsonb_object_agg(g.id, g.name), '{}') FROM vault.agency g WHERE g.id = c.controller
            OR EXISTS (SELECT FROM vault.member m WHERE m.case_id = c.id AND m.agency = g.id)
            OR EXISTS (SELECT FROM vault.document d WHERE d.case_id = c.id AND g.id IN (d.agency, d.source))
            OR EXISTS (SELECT FROM vault.consent k JOIN vault.provision p ON p.consent = k.id
                WHERE k.case_id = c.id AND p.recipients @> jsonb_build_array(jsonb_build_object('agency', g.id)))
            OR EXISTS (SELECT FROM vault.entry e WHERE e.case_id = c.id AND e.agency = g.id)),
        'documents', (SELECT coalesce(jsonb_agg(vault.document_json(d, true) || jsonb_build_object('object', f.object) ORDER BY d.id), '[]')
            FROM vault.document d JOIN vault.filing f ON f.document = d.id WHERE d.case_id = c.id AND d.copy_of IS NULL
              AND NOT vault.is_misfiled(d.id, as_of)),
        'left_out', (SELECT coalesce(jsonb_agg(d.id ORDER BY d.id), '[]') FROM vault.document d
            WHERE d.case_id = c.id AND vault.is_misfiled(d.id, as_of)),
        'consents', (SELECT coalesce(jsonb_agg(vault.consent_json(k, t, true, as_of) || jsonb_build_object('withdrawn_at',
                (SELECT vault.rfc3339(min(w.recorded_at)) FROM vault.withdrawal w WHERE w.consent = k.id AND w.provisions IS NULL)) ORDER BY k.n), '[]')
            FROM vault.consent k WHERE k.case_id = c.id),
        'draft', (SELECT jsonb_build_object('made_at', vault.rfc3339(d.made_at), 'recipient', d.recipient, 'identity', vault.b64(d.sealed_identity))
            FROM vault.transfer x, vault.draft_of(x.id) d WHERE x.case_id = c.id AND vault.is_at(t, x.id) AND d.transfer IS NOT NULL),
        'entries', (SELECT coalesce(jsonb_agg(vault.entry_json(e) || jsonb_build_object('leaf', encode(e.leaf, 'hex'), 'shown', vault.entry_shown(e))
                ORDER BY e.id), '[]')
            FROM vault.transfer x, vault.draft_of(x.id) d, vault.entry e
            WHERE x.case_id = c.id AND vault.is_at(t, x.id) AND e.case_id = c.id AND e.at <= d.recorded_at),
        'keys', (SELECT to_jsonb(array_agg('document:' || d.id) || ARRAY['case:' || c.id, 'register:' || c.client])
            FROM vault.document d JOIN vault.filing f ON f.document = d.id WHERE d.case_id = c.id))
    FROM vault.client_case c WHERE c.id = a_case);

-- May the worker at it open what was sent, to compare it? From the packaging to the shredding.
CREATE OR REPLACE FUNCTION vault.may_verify(t vault.token, a_case uuid) RETURNS boolean
LANGUAGE sql STABLE
RETURN t.actor = 'worker' AND t.case_id = a_case AND 'verify' = ANY (t.acts)
    AND EXISTS (SELECT FROM vault.transfer x WHERE x.case_id = a_case AND vault.is_at(t, x.id)
        AND (vault.transfer_at(x.id)).state IN ('due', 'packaged', 'sent', 'received', 'verified'));

-- The acts of jobs: what a permit tells and which keys it lets take hand out; null is a denial.
CREATE OR REPLACE FUNCTION vault.job_facts(t vault.token, act text, a_case uuid, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN CASE act
    WHEN 'package' THEN CASE WHEN vault.may_package(t, a_case, as_of) THEN vault.package_facts(a_case, t, as_of) END
    WHEN 'destroy' THEN CASE WHEN vault.may_destroy(t, a_case, as_of) THEN '{}'::jsonb END
    WHEN 'verify' THEN CASE WHEN vault.may_verify(t, a_case) THEN (SELECT jsonb_build_object('keys', jsonb_build_array('case:' || a_case),
            'made_at', vault.rfc3339(d.made_at), 'recipient', d.recipient, 'identity', vault.b64(d.sealed_identity))
        FROM vault.transfer x, vault.draft_of(x.id) d WHERE x.case_id = a_case AND vault.is_at(t, x.id)) END
    WHEN 'rewrap' THEN vault.rewrap_facts(t, as_of) END;

-- Record what is about to be made, once for each time that it is due: whoever comes second goes on with the first.
CREATE OR REPLACE FUNCTION vault.transfer_prepare(secret bytea, a_transfer uuid, a_recipient text, sealed bytea) RETURNS vault.done
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
    e := vault.entry_of(t, 'transfer-prepare', now);
    e.case_id := t.case_id;
    IF NOT vault.is_at(t, a_transfer) THEN RETURN vault.conclude(e, 'hidden', '{}', NULL); END IF;
    PERFORM vault.move('case:' || t.case_id);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    IF NOT vault.may_package(t, t.case_id, now) THEN RETURN vault.conclude(e, coalesce(vault.held_status(t.case_id), 'transfer-state'), NULL, NULL); END IF;
    INSERT INTO vault.transfer_draft (transfer, due, made_at, recipient, sealed_identity, entry, recorded_at)
    VALUES (a_transfer, vault.transfer_due(a_transfer), date_trunc('second', now), a_recipient, sealed, e.id, now) ON CONFLICT DO NOTHING;
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- How far the worker at it is, and what stopped it; no entry, since nothing rests on it.
CREATE OR REPLACE FUNCTION vault.transfer_tell(secret bytea, a_transfer uuid, told jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $tell$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.asker(secret, now);
BEGIN
    IF NOT coalesce(vault.is_at(t, a_transfer), false) THEN RETURN; END IF;
    INSERT INTO vault.transfer_progress AS p (transfer, phase, documents, documents_all, bytes, bytes_all, began_at, trouble, trouble_code, trouble_at, recorded_at)
    VALUES (a_transfer, told ->> 'phase', (told ->> 'documents')::bigint, (told ->> 'documents_all')::bigint, (told ->> 'bytes')::bigint,
        (told ->> 'bytes_all')::bigint, now, left(told ->> 'trouble', 500), told ->> 'trouble_code', CASE WHEN told ? 'trouble' THEN now END, now)
    ON CONFLICT (transfer) DO UPDATE SET phase = excluded.phase, documents = excluded.documents, documents_all = excluded.documents_all,
        bytes = excluded.bytes, bytes_all = excluded.bytes_all, recorded_at = now,
        began_at = CASE WHEN p.phase = excluded.phase AND p.bytes <= excluded.bytes THEN p.began_at ELSE now END,
        trouble = CASE WHEN excluded.phase IS NOT NULL THEN p.trouble ELSE excluded.trouble END,
        trouble_code = CASE WHEN excluded.phase IS NOT NULL THEN p.trouble_code ELSE excluded.trouble_code END,
        trouble_at = CASE WHEN excluded.phase IS NOT NULL THEN p.trouble_at ELSE excluded.trouble_at END;
END
$tell$;

-- Progress for people: what is under way, how much is left by the speed so far, and what stopped it last.
CREATE OR REPLACE FUNCTION vault.progress_json(a_transfer uuid) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_strip_nulls(jsonb_build_object(
        'phase', p.phase, 'documents', p.documents, 'documents_all', p.documents_all, 'bytes', p.bytes, 'bytes_all', p.bytes_all,
        'percent', CASE WHEN p.bytes_all > 0 THEN least(100, p.bytes * 100 / p.bytes_all) END,
        'seconds_left', CASE WHEN p.bytes > 0 AND p.bytes_all > 0 THEN
            greatest(0, ceil(extract(epoch FROM p.recorded_at - p.began_at) * (p.bytes_all - p.bytes) / p.bytes))::bigint END,
        'at', vault.rfc3339(p.recorded_at), 'trouble', p.trouble, 'trouble_code', p.trouble_code, 'trouble_at', vault.rfc3339(p.trouble_at)))
    FROM vault.transfer_progress p WHERE p.transfer = a_transfer AND (p.phase IS NOT NULL OR p.trouble IS NOT NULL));

-- ---------------------------------------------------------------- what everyone may know

-- Where an archived case is: no row for any other. The reference is what the archive finds it by.
CREATE OR REPLACE FUNCTION vault.archived_at(a_case uuid)
    RETURNS TABLE (archive text, name jsonb, contact jsonb, reference uuid, day date, retention_ends date)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT a.id, a.name, a.contact, s.transfer, vault.helsinki_day(s.recorded_at), (vault.package_of(s.transfer)).retention_ends
    FROM vault.shredded s JOIN vault.transfer x ON x.id = s.transfer JOIN vault.archive a ON a.n = x.archive WHERE s.case_id = a_case;
END;

-- Where a closed case goes, and the last day on which it is surely readable here; no row for one that stays.
CREATE OR REPLACE FUNCTION vault.leaving(a_case uuid)
    RETURNS TABLE (archive text, name jsonb, contact jsonb, reference uuid, state text, readable_until date)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT a.id, a.name, a.contact, x.id, (vault.transfer_at(x.id)).state,
        vault.helsinki_day(coalesce(vault.shred_from(x), vault.clock() + make_interval(days => a.wait_days))) - 1
    FROM vault.transfer x JOIN vault.archive a ON a.n = x.archive
    WHERE x.case_id = a_case AND (vault.transfer_at(x.id)).state NOT IN ('cancelled', 'shredded', 'beyond-recovery')
    ORDER BY x.id DESC LIMIT 1;
END;

-- ---------------------------------------------------------------- requests for what the archive has

-- Route a request to the archives that have what it asks for: one row for each archived case. Called by who records requests.
CREATE OR REPLACE FUNCTION vault.request_route(a_request uuid, a_due date, an_entry uuid, as_of timestamptz) RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    WITH routed AS (
        INSERT INTO vault.archive_request (id, transfer, of_request, due_on, entry, recorded_at)
        SELECT vault.uuid7(as_of), there.reference, r.id, a_due, an_entry, as_of
        FROM vault.request r JOIN vault.client_case c ON c.client = r.client AND c.controller = r.controller AND c.id = coalesce(r.case_id, c.id)
            CROSS JOIN LATERAL vault.archived_at(c.id) there
        WHERE r.id = a_request AND NOT EXISTS (SELECT FROM vault.archive_request x WHERE x.of_request = r.id AND x.transfer = there.reference)
        RETURNING id)
    SELECT count(*) FROM routed;
END;

CREATE OR REPLACE FUNCTION vault.archive_request_json(r vault.archive_request) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('id', r.id, 'transfer', r.transfer, 'case', x.case_id, 'process', c.process, 'case_opened_at', vault.rfc3339(c.recorded_at),
        'archive', a.id, 'archive_name', a.name, 'received_on', vault.helsinki_day(r.recorded_at),
        'due_on', r.due_on, 'outcome', e.outcome, 'answered_on', vault.helsinki_day(e.recorded_at))
    FROM vault.transfer x JOIN vault.client_case c ON c.id = x.case_id JOIN vault.archive a ON a.n = x.archive LEFT JOIN vault.archive_request_end e ON e.request = r.id WHERE x.id = r.transfer);

-- An archivist notes how the archive answered; once.
CREATE OR REPLACE FUNCTION vault.archive_request_answer(secret bytea, a_request uuid, an_outcome text) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    b record;
    e vault.entry;
    r vault.archive_request;
BEGIN
    SELECT * INTO r FROM vault.archive_request x WHERE x.id = a_request;
    SELECT * INTO b FROM vault.transfer_begin(secret, r.transfer, 'archive-request-answer');
    IF b.status = 'unauthenticated' THEN RETURN vault.unauthenticated(); END IF;
    e := b.e;
    IF b.status IS NOT NULL THEN RETURN vault.conclude(e, b.status, '{not-a-member}', NULL); END IF;
    IF EXISTS (SELECT FROM vault.archive_request_end x WHERE x.request = a_request AND x.outcome <> an_outcome) THEN
        RETURN vault.conclude(e, 'already-answered', NULL, NULL);
    END IF;
    INSERT INTO vault.archive_request_end (request, outcome, professional, entry, recorded_at)
    VALUES (a_request, an_outcome, (b.t).professional, e.id, e.at) ON CONFLICT DO NOTHING;
    e.facts := an_outcome;
    PERFORM vault.tell('archive-request-answered', 'case:' || e.case_id, e.id, e.at);
    RETURN vault.conclude(e, 'done', NULL, vault.archive_request_json(r));
END
$act$;
