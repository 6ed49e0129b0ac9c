-- An export for somebody who cannot sign in: ordered, fetched and handed over at the records officer's desk, on the ground of
-- that client's own running request, which the hand-over answers. It holds what the officer's agency answers for, no more.
-- Source: promise P9; design.md §3.3 (controller's duty), §7; domain.md §9; GDPR Art. 12(3), 12(6), 15(3).

-- Is it known well enough who asked to hand out everything in one piece? The same table as in rules/requests.py. A voice on the
-- phone, however well known, is nobody yet.
CREATE OR REPLACE FUNCTION vault.identified_enough(received_how text, identified_how text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(CASE identified_how
    WHEN 'strong-identification' THEN true
    WHEN 'identity-document' THEN true
    WHEN 'signature' THEN received_how IN ('paper', 'in-person')
    WHEN 'known-in-person' THEN received_how = 'in-person' END, false);

-- Why nothing may be made or handed out on this request now; null: it may.
CREATE OR REPLACE FUNCTION vault.handing_fault(r vault.request, as_of timestamptz) RETURNS text
LANGUAGE sql STABLE
RETURN (SELECT CASE
        WHEN s.request IS NULL THEN 'hidden'
        WHEN r.kind <> 'self-access' OR NOT vault.is_running(s.state) THEN 'request-state'
        WHEN s.identified_how IS NULL THEN 'not-identified'
        WHEN NOT vault.identified_enough(r.received_how, s.identified_how) THEN 'identified-too-weakly'
        WHEN EXISTS (SELECT FROM vault.client_death d WHERE d.client = r.client AND d.recorded_at <= as_of) THEN 'client-deceased'
        WHEN EXISTS (SELECT FROM vault.fee f LEFT JOIN vault.fee_answer y ON y.fee = f.id WHERE f.request = r.id AND y.accepted IS NOT TRUE) THEN 'fee-not-accepted'
        END FROM vault.request_at(r.id, as_of) s);

-- Does the ground on which it was ordered still stand? An order of somebody signed in has its own (vault.exports_for).
CREATE OR REPLACE FUNCTION vault.export_grounded(x vault.export, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN x.request IS NULL OR coalesce((SELECT r.client = x.client AND vault.handing_fault(r, as_of) IS NULL FROM vault.request r WHERE r.id = x.request), false);

-- Is this a records officer of the agency that answers the request on which it was ordered?
CREATE OR REPLACE FUNCTION vault.at_desk(t vault.token, x vault.export) RETURNS boolean
LANGUAGE sql STABLE
RETURN coalesce((vault.desk_request(t, x.request)).id = x.request, false);

-- An authority under which this request's answer may be handed to the client's representative: to act, in force, in what is asked for.
CREATE OR REPLACE FUNCTION vault.answers_authority(a vault.authority, r vault.request, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN a.client = r.client AND a.scope = 'act' AND vault.authority_holds(a, as_of) AND (a.case_id IS NULL OR EXISTS (
    SELECT FROM vault.client_case c WHERE c.id = a.case_id AND c.controller = r.controller AND (r.case_id IS NULL OR r.case_id = c.id)));

-- How and to whom: a letter against its receipt, otherwise the receiver was seen. The same table as in rules/requests.py.
CREATE OR REPLACE FUNCTION vault.handed_well(a_how text, an_identification text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(CASE a_how
    WHEN 'medium-in-person' THEN an_identification IN ('identity-document', 'known-in-person')
    WHEN 'print-in-person' THEN an_identification IN ('identity-document', 'known-in-person')
    WHEN 'medium-by-letter' THEN an_identification = 'receipt-of-delivery'
    WHEN 'print-by-letter' THEN an_identification = 'receipt-of-delivery' END, false);

-- What whoever gets this package still has to come: papers that wait, and papers that are open to them now and were decided only
-- after it was made. What they left out as large, and what could not be read, is told apart. Of a paper with pages withheld, the original.
CREATE OR REPLACE FUNCTION vault.export_rest(x vault.export, as_of timestamptz) RETURNS TABLE (document uuid, how text)
LANGUAGE plpgsql STABLE
AS $rest$
BEGIN
    RETURN QUERY SELECT coalesce(d.copy_of, d.id), p.how
    FROM vault.export_papers(vault.export_asker(x), x.without_large, as_of) p JOIN vault.document d ON d.id = p.document
    WHERE p.how = 'waiting' OR (p.how = 'open'
        AND (d.copy_of IS NOT NULL OR d.third_persons OR d.check_before_client OR d.recorded_at <= (SELECT k.recorded_at FROM vault.export_package k WHERE k.export = x.id))
        AND NOT EXISTS (SELECT FROM vault.export_paper i WHERE i.export = x.id AND i.document = d.id)
        AND NOT EXISTS (SELECT FROM vault.export_damage i WHERE i.export = x.id AND i.document = d.id));
END
$rest$;

-- The list request-exports: the exports ordered on one request, how large one of this moment would be, for whom one may be
-- ordered, and why none may. Null: no such request at this desk.
CREATE OR REPLACE FUNCTION vault.request_exports(t vault.token, a_request uuid, as_of timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $exports$
DECLARE
    r vault.request := vault.desk_request(t, a_request);
    x vault.export;
BEGIN
    IF r.id IS NULL OR r.kind <> 'self-access' THEN RETURN NULL; END IF;
    x.client := r.client; x.request := r.id;
    RETURN vault.export_outlook(vault.export_asker(x), as_of) || jsonb_build_object('client', r.client, 'fault', vault.handing_fault(r, as_of),
        'items', (SELECT coalesce(jsonb_agg(vault.export_json(y) || jsonb_build_object('authority', y.authority, 'outdated', vault.export_outdated(y, as_of),
            'rest', (SELECT coalesce(jsonb_agg(jsonb_build_object('document', p.document, 'how', p.how) ORDER BY p.document), '[]') FROM vault.export_rest(y, as_of) p),
            'withheld', (SELECT coalesce(jsonb_agg(jsonb_build_object('document', p.document, 'how', p.how) ORDER BY p.document), '[]')
                FROM vault.export_papers(vault.export_asker(y), y.without_large, as_of) p WHERE p.how IN ('withheld', 'pages-withheld'))) ORDER BY y.id), '[]')
            FROM vault.export y WHERE y.request = r.id AND (vault.export_at(y.id)).state <> 'removed'),
        'authorities', (SELECT coalesce(jsonb_agg(vault.authority_json(a, as_of) ORDER BY a.id), '[]')
            FROM vault.authority a WHERE a.client = r.client AND vault.answers_authority(a, r, as_of)),
        'keys', jsonb_build_array('register:' || r.client));
END
$exports$;

-- Order an export on a request, for the client or for who acts for them. While one is under way, that one is the answer.
CREATE OR REPLACE FUNCTION vault.export_order_for(secret bytea, an_export uuid, a_request uuid, an_authority uuid, no_large boolean) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    r vault.request := vault.desk_request(t, a_request);
    e vault.entry;
    x vault.export;
    fault text;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'export-order', now);
    IF r.id IS NULL THEN RETURN vault.conclude(e, 'hidden', '{recipient-not-covered}', NULL); END IF;
    PERFORM vault.move('client:' || r.client);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    -- Of no case: what a person asks about themselves is not its coordinator's to see.
    e.client := r.client; e.of_entry := r.entry; e.facts := 'request ' || r.id;
    fault := vault.handing_fault(r, now);
    IF fault IS NOT NULL THEN RETURN vault.conclude(e, fault, NULL, NULL); END IF;
    IF an_authority IS NOT NULL AND NOT EXISTS (SELECT FROM vault.authority a WHERE a.id = an_authority AND vault.answers_authority(a, r, now)) THEN
        RETURN vault.conclude(e, 'unknown-answered-authority', NULL, NULL);
    END IF;
    SELECT * INTO x FROM vault.export y WHERE y.request = r.id AND (y.id = an_export
        OR (y.authority IS NOT DISTINCT FROM an_authority AND (vault.export_at(y.id)).state IN ('received', 'collecting'))) ORDER BY y.id = an_export DESC, y.id LIMIT 1;
    IF x.id IS NULL AND EXISTS (SELECT FROM vault.export y WHERE y.id = an_export) THEN RETURN vault.conclude(e, 'hidden', '{}', NULL); END IF;
    e.basis := 'controller-duty'; e.document := coalesce(x.id, an_export); e.facts := concat_ws(' ', 'authority:' || an_authority, e.facts);
    IF x.id IS NULL THEN
        x := (an_export, r.client, an_authority, NULL, CASE WHEN r.language IN ('fi', 'sv', 'en') THEN r.language ELSE 'fi' END, no_large, 0, 0, e.id, now, r.id);
        SELECT count(*), coalesce(sum(p.size_bytes), 0) INTO x.documents, x.size_bytes
        FROM vault.export_papers(vault.export_asker(x), no_large, now) p WHERE p.how = 'open';
        INSERT INTO vault.export SELECT x.*;
        INSERT INTO vault.export_state (export, n, state, entry, recorded_at) VALUES (an_export, 1, 'received', e.id, now);
        INSERT INTO vault.export_claim (export, until) VALUES (an_export, '-infinity');
        -- What an archive has by now is asked for there, as with the request itself.
        PERFORM vault.request_route(r.id, (vault.request_at(r.id, now)).due_on, e.id, now);
    END IF;
    RETURN vault.conclude(e, 'done', ARRAY[e.basis], vault.export_json(x));
END
$act$;

-- What still waits when the rest is handed over is asked for on: under the same clock, by the same person, for another package.
CREATE OR REPLACE FUNCTION vault.request_rest(r vault.request, t vault.token, an_entry uuid, as_of timestamptz) RETURNS uuid
LANGUAGE plpgsql VOLATILE
AS $rest$
DECLARE
    s vault.request_state := vault.request_at(r.id, as_of);
    rest uuid := vault.uuid7(as_of);
BEGIN
    INSERT INTO vault.request (id, kind, client, controller, case_id, language, received_how, received_on, entry, recorded_at)
    VALUES (rest, r.kind, r.client, r.controller, r.case_id, r.language, r.received_how, r.received_on, an_entry, as_of);
    PERFORM vault.request_put(rest, 'received', s.due_on, NULL, NULL, NULL, t, an_entry, as_of);
    PERFORM vault.request_put(rest, 'identified', s.due_on, jsonb_build_object('identified_how', s.identified_how), NULL, NULL, t, an_entry, as_of);
    RETURN rest;
END
$rest$;

-- Record that an export was handed over. It answers the request, and the package is gone from here: its key at once.
CREATE OR REPLACE FUNCTION vault.export_hand_over(secret bytea, an_export uuid, a_how text, a_day date, an_identification text) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    x vault.export;
    r vault.request;
    refused text;
    rest uuid;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    SELECT * INTO x FROM vault.export y WHERE y.id = an_export;
    r := vault.desk_request(t, x.request);
    e := vault.entry_of(t, 'export-hand-over', now);
    IF r.id IS NULL THEN RETURN vault.conclude(e, 'hidden', '{recipient-not-covered}', NULL); END IF;
    PERFORM vault.move('client:' || r.client);
    PERFORM vault.move_cases(r.client, r.case_id);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    e.client := r.client; e.of_entry := r.entry; e.document := x.id; e.facts := concat_ws(' ', 'authority:' || x.authority, 'request ' || r.id, a_how);
    IF EXISTS (SELECT FROM vault.export_handover h WHERE h.export = x.id AND h.how = a_how AND h.handed_on = a_day AND h.identified_how = an_identification) THEN
        e.basis := 'controller-duty';
        RETURN vault.conclude(e, 'done', '{controller-duty}', NULL);
    END IF;
    refused := vault.handing_refused(x, r, a_how, a_day, an_identification, now);
    IF refused IS NOT NULL THEN RETURN vault.conclude(e, refused, NULL, NULL); END IF;
    e.basis := 'controller-duty';
    INSERT INTO vault.export_handover (export, how, handed_on, identified_how, professional, entry, recorded_at)
    VALUES (x.id, a_how, a_day, an_identification, t.professional, e.id, now);
    PERFORM vault.export_step(x.id, 'hand', NULL, e.id, now);
    PERFORM vault.export_close(x.id, now);
    IF EXISTS (SELECT FROM vault.export_rest(x, now)) THEN
        rest := vault.request_rest(r, t, e.id, now);
    END IF;
    PERFORM vault.request_put(r.id, 'answered', (vault.request_at(r.id, now)).due_on, NULL, NULL, NULL, t, e.id, now);
    PERFORM vault.tell('export-handed', 'client:' || r.client, e.id, now);
    RETURN vault.conclude(e, 'done', '{controller-duty}', jsonb_strip_nulls(jsonb_build_object('rest', rest)));
END
$act$;

-- Why this hand-over is not recorded; null: it is. Only what was fetched to its last byte can have been handed to anybody.
CREATE OR REPLACE FUNCTION vault.handing_refused(x vault.export, r vault.request, a_how text, a_day date, an_identification text, as_of timestamptz) RETURNS text
LANGUAGE plpgsql STABLE
AS $refused$
BEGIN
    RETURN coalesce(CASE WHEN EXISTS (SELECT FROM vault.export_handover h WHERE h.export = x.id) THEN 'export-state' END, vault.handing_fault(r, as_of), CASE
        WHEN NOT vault.exports_for(vault.export_asker(x), x.client, as_of) THEN 'authority-ended'
        WHEN (vault.export_at(x.id)).state NOT IN ('delivered', 'expired')
            OR NOT EXISTS (SELECT FROM vault.export_state s WHERE s.export = x.id AND s.event = 'fetch') THEN 'export-not-fetched'
        WHEN vault.export_outdated(x, as_of) THEN 'export-changed'
        WHEN NOT vault.handed_well(a_how, an_identification) THEN 'handed-unknown'
        WHEN NOT coalesce(a_day BETWEEN (SELECT vault.helsinki_day(p.recorded_at) FROM vault.export_package p WHERE p.export = x.id)
            AND vault.helsinki_day(as_of), false) THEN 'handed-day'
        END);
END
$refused$;
