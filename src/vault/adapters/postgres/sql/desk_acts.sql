-- What else the records officer's desk decides: misfiled papers, differences in what was given, fees.
-- Source: design.md §3.3 (misfiled), §4 (a difference never overwrites), §7 (fee); GDPR Art. 12(5), 33.

-- A misfiled paper is in its place after all, or its content is destroyed alone: its key is gone, its object is noise.
CREATE OR REPLACE FUNCTION vault.misfiled_decide(secret bytea, a_document uuid, a_decision text, sealed bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    d vault.document;
    decided text;
    gone text[] := '{}';
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    SELECT x.* INTO d FROM vault.document x JOIN vault.client_case c ON c.id = x.case_id AND c.controller = t.agency
    WHERE x.id = a_document AND t.actor = 'records-officer' AND EXISTS (SELECT FROM vault.document_mark k WHERE k.document = x.id AND k.mark = 'misfiled');
    e := vault.entry_of(t, 'misfiled-decide', now);
    IF d.id IS NULL OR a_decision NOT IN ('in-place', 'destroyed') THEN RETURN vault.conclude(e, 'hidden', '{recipient-not-covered}', NULL); END IF;
    PERFORM vault.move('case:' || d.case_id);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    e.case_id := d.case_id; e.client := (SELECT c.client FROM vault.client_case c WHERE c.id = d.case_id);
    e.document := d.id; e.document_type := d.type; e.source := d.source; e.facts := a_decision;
    SELECT x.decision INTO decided FROM vault.misfiled_decision x WHERE x.document = d.id;
    IF decided IS NOT NULL AND decided <> a_decision THEN RETURN vault.conclude(e, 'misfiled-decided', NULL, NULL); END IF;
    -- A restriction keeps what it binds until a records officer has ended it, after telling the person.
    IF decided IS NULL AND a_decision = 'destroyed' AND vault.keeps_restricted(d.id, d.case_id) THEN
        RETURN vault.conclude(e, 'misfiled-restricted', NULL, NULL);
    END IF;
    INSERT INTO vault.misfiled_decision (document, decision, sealed_reason, professional, entry, recorded_at)
    VALUES (d.id, a_decision, sealed, t.professional, e.id, now) ON CONFLICT DO NOTHING;
    IF a_decision = 'destroyed' THEN
        DELETE FROM vault.wrapped_key k WHERE k.kind = 'document' AND k.subject IN (
            SELECT x.id::text FROM vault.document x WHERE x.id = d.id OR x.copy_of = d.id);
        gone := ARRAY(SELECT f.object FROM vault.filing f JOIN vault.document x ON x.id = f.document WHERE x.id = d.id OR x.copy_of = d.id ORDER BY 1);
        -- Said before it is so: the sweeper removes what a crash leaves of them.
        INSERT INTO vault.object_end (object, recorded_at) SELECT o, now FROM unnest(gone) o ON CONFLICT DO NOTHING;
    END IF;
    PERFORM vault.tell('misfiled-decided', 'case:' || d.case_id, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('objects', to_jsonb(gone)));
END
$act$;

-- A difference between what was given at a case's opening and what is registered: kept as registered, or the given name taken.
CREATE OR REPLACE FUNCTION vault.difference_end(secret bytea, a_difference uuid, an_outcome text, sealed bytea, a_name_mac bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    f vault.difference;
    taken vault.client_about;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    SELECT x.* INTO f FROM vault.difference x JOIN vault.client_case c ON c.id = x.case_id AND c.controller = t.agency
    WHERE x.id = a_difference AND t.actor = 'records-officer';
    e := vault.entry_of(t, 'difference-end', now);
    IF f.id IS NULL OR an_outcome NOT IN ('kept', 'taken') THEN RETURN vault.conclude(e, 'hidden', '{recipient-not-covered}', NULL); END IF;
    e.client := f.client; e.case_id := f.case_id; e.facts := concat_ws(' ', an_outcome, array_to_string(f.fields, ' '));
    PERFORM vault.hold_code(f.former_mac);
    IF f.fields = '{former_personal_identity_code}' AND an_outcome = 'taken' THEN
        -- The person's code was changed by law: the one before still finds them, unless it stands for another by now.
        IF vault.client_known_by(f.former_mac) <> f.client THEN RETURN vault.conclude(e, 'code-differs', NULL, NULL); END IF;
        PERFORM vault.move('client:' || f.client);
        INSERT INTO vault.difference_end (difference, outcome, professional, entry, recorded_at)
        VALUES (f.id, an_outcome, t.professional, e.id, now) ON CONFLICT DO NOTHING;
        IF FOUND THEN INSERT INTO vault.former_code (code_mac, client, difference, recorded_at) VALUES (f.former_mac, f.client, f.id, now) ON CONFLICT DO NOTHING; END IF;
        RETURN vault.conclude(e, 'done', NULL, NULL);
    END IF;
    -- Whose code it is cannot be said from here.
    IF an_outcome = 'taken' AND 'personal_identity_code' = ANY (f.fields) THEN RETURN vault.conclude(e, 'code-differs', NULL, NULL); END IF;
    -- The day of majority follows from the birth day, and consents rest on it.
    IF an_outcome = 'taken' AND f.fields <> '{name}' THEN RETURN vault.conclude(e, 'birth-day-differs', NULL, NULL); END IF;
    PERFORM vault.move('client:' || f.client);
    INSERT INTO vault.difference_end (difference, outcome, professional, entry, recorded_at)
    VALUES (f.id, an_outcome, t.professional, e.id, now) ON CONFLICT DO NOTHING;
    IF FOUND AND an_outcome = 'taken' THEN
        taken.client := f.client; taken.sealed := difference_end.sealed; taken.name_mac := a_name_mac;
        PERFORM vault.append_about(taken, now);
    ELSIF FOUND AND f.former_mac IS NOT NULL AND f.fields = '{personal_identity_code}' AND coalesce(vault.client_known_by(f.former_mac), f.client) = f.client
        AND NOT (SELECT a.code_taken FROM vault.client_about a WHERE a.client = f.client ORDER BY a.n DESC LIMIT 1) THEN
        -- The given code was another person's, and none was given since: the one before is the client's again.
        taken.client := f.client; taken.code_mac := f.former_mac; taken.code_taken := true;
        PERFORM vault.append_about(taken, now);
    END IF;
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- A fee for one running request: a records officer's decision with its reason, told before anything is made. GDPR Art. 12(5)
-- and 15(3) leave room for one only where a request is excessive or asks for further copies.
CREATE OR REPLACE FUNCTION vault.fee_set(secret bytea, a_fee uuid, a_request uuid, an_amount integer, sealed bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    r vault.request := vault.desk_request(t, a_request);
    e vault.entry;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'fee-set', now);
    IF r.id IS NULL THEN RETURN vault.conclude(e, 'hidden', '{recipient-not-covered}', NULL); END IF;
    e.client := r.client; e.case_id := r.case_id; e.of_entry := r.entry; e.facts := an_amount || ' cents';
    PERFORM vault.move('client:' || r.client);
    IF EXISTS (SELECT FROM vault.fee f WHERE f.id = a_fee) THEN RETURN vault.conclude(e, 'done', NULL, NULL); END IF;
    IF an_amount <= 0 OR r.kind NOT IN ('self-access', 'export-review') OR NOT vault.is_running((vault.request_at(r.id, now)).state)
        OR EXISTS (SELECT FROM vault.fee f WHERE f.request = r.id) OR vault.is_free(r, now) THEN
        RETURN vault.conclude(e, 'fee-not-due', NULL, NULL);
    END IF;
    INSERT INTO vault.fee (id, request, cents, sealed_reason, professional, entry, recorded_at) VALUES (a_fee, r.id, an_amount, sealed, t.professional, e.id, now);
    PERFORM vault.tell('fee-set', 'client:' || r.client, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

CREATE OR REPLACE FUNCTION vault.fee_answer(secret bytea, a_request uuid, a_yes boolean) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    f vault.fee;
    r vault.request;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'fee-answer', now);
    -- Who asked on paper, by phone or in person says yes or no to the records officer.
    SELECT x.* INTO f FROM vault.fee x JOIN vault.request q ON q.id = x.request WHERE x.request = a_request
        AND (vault.stands_for_client(t, q.client, true, now) OR (q.received_how <> 'own-pages' AND (vault.desk_request(t, q.id)).id IS NOT NULL));
    IF f.id IS NULL THEN RETURN vault.conclude(e, 'hidden', '{recipient-not-covered}', NULL); END IF;
    SELECT * INTO r FROM vault.request x WHERE x.id = a_request;
    -- An answer and the end of the request at once: one after the other.
    PERFORM vault.move_cases(r.client, r.case_id);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    e.client := r.client;
    e.facts := concat_ws(' ', CASE WHEN a_yes THEN 'accepted' ELSE 'declined' END, e.facts);
    IF NOT vault.is_running((vault.request_at(r.id, now)).state) AND NOT EXISTS (SELECT FROM vault.fee_answer x WHERE x.fee = f.id AND x.accepted = a_yes) THEN
        RETURN vault.conclude(e, 'request-state', NULL, NULL);
    END IF;
    INSERT INTO vault.fee_answer (fee, accepted, entry, recorded_at) VALUES (f.id, a_yes, e.id, now) ON CONFLICT DO NOTHING;
    IF NOT FOUND AND (SELECT x.accepted FROM vault.fee_answer x WHERE x.fee = f.id) <> a_yes THEN RETURN vault.conclude(e, 'request-state', NULL, NULL); END IF;
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;
