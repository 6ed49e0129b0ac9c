-- The acts on requests and on what is withheld. Each checks who asks and writes one entry with its facts.
-- Source: GDPR Art. 12(3) (one month, two more with a notice inside the first), 15, 16, 18; FI 703/2023 §11 (log: two months,
-- written decision, ombudsman); FI 1050/2018 §34; FI 621/1999 §11, §25; design.md §3.3.

-- Feedback on how usable the pages are is answered in two weeks, and in two more with a notice (FI 306/2019 § 10).
INSERT INTO vault.request_kind (kind, answer_within, extension, source) VALUES ('feedback', '14 days', '14 days', 'FI 306/2019 § 10')
ON CONFLICT (kind) DO NOTHING;

-- From which states a step may be taken, and where it leads; the same table as in rules/requests.py. Null: it may not.
CREATE OR REPLACE FUNCTION vault.request_next(a_state text, a_step text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN NOT vault.is_running(a_state) THEN NULL ELSE CASE a_step
    -- Somebody may be identified better, or only later.
    WHEN 'identify' THEN 'identified'
    WHEN 'take-up' THEN CASE WHEN a_state IN ('received', 'identified') THEN 'under-way' END
    WHEN 'extend' THEN CASE WHEN a_state <> 'extended' THEN 'extended' END
    WHEN 'answer' THEN 'answered'
    WHEN 'refuse-part' THEN 'partly-refused'
    WHEN 'refuse' THEN 'refused' END END;

-- Which agency's records officers answer a request of this client; null when the client must say which case is meant.
CREATE OR REPLACE FUNCTION vault.controller_for(a_client uuid, a_case uuid) RETURNS text
LANGUAGE sql STABLE
RETURN (SELECT CASE count(DISTINCT c.controller) WHEN 1 THEN min(c.controller) END FROM vault.client_case c
    WHERE c.client = a_client AND (a_case IS NULL OR c.id = a_case));

-- Everything that rests on a request or on what is withheld is decided anew; an archive's worker waits for us, or we for it.
CREATE OR REPLACE FUNCTION vault.move_cases(a_client uuid, a_case uuid) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $move$
DECLARE
    one uuid;
BEGIN
    FOR one IN SELECT c.id FROM vault.client_case c WHERE c.client = a_client AND (a_case IS NULL OR c.id = a_case) ORDER BY c.id LOOP
        PERFORM vault.move('case:' || one);
    END LOOP;
END
$move$;

-- The professional of health or social care who is named as having judged; null for anybody else.
CREATE OR REPLACE FUNCTION vault.judge_named(named jsonb) RETURNS uuid
LANGUAGE sql STABLE
RETURN (SELECT p.id FROM vault.professional p WHERE p.agency = named ->> 'agency' AND p.subject = named ->> 'professional' AND vault.judging_roles(p.id) <> '{}');

CREATE OR REPLACE FUNCTION vault.request_put(a_request uuid, a_state text, a_due date, about jsonb, sealed bytea, a_reason bytea, t vault.token,
    an_entry uuid, as_of timestamptz) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO vault.request_state (request, n, state, due_on, identified_how, provision, told, sealed_text, sealed_reason, decided_by, professional, entry, recorded_at)
    SELECT a_request, coalesce(max(s.n), 0) + 1, a_state, a_due,
        coalesce(about ->> 'identified_how', (array_agg(s.identified_how ORDER BY s.n DESC))[1]),
        about ->> 'provision', (about ->> 'told')::boolean, sealed, a_reason, vault.judge_named(about -> 'judge'), t.professional, an_entry, as_of
    FROM vault.request_state s WHERE s.request = a_request;
END;

-- Make a request: by the client, or by a records officer for one that came on paper, by phone or in person.
-- about: {"received_how", "received_on", "identified_how", "language", "from", "until", "ground"}; the first three are the officer's to say.
CREATE OR REPLACE FUNCTION vault.request_make(secret bytea, a_request uuid, a_kind text, a_client uuid, a_case uuid, a_document uuid, an_entry uuid,
    about jsonb, sealed bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    whose uuid := coalesce(a_client, t.client);
    the_case uuid := coalesce((SELECT d.case_id FROM vault.document d WHERE d.id = a_document AND d.copy_of IS NULL),
        (SELECT x.case_id FROM vault.entry x WHERE x.id = an_entry AND x.client = whose), a_case);
    own boolean := vault.stands_for_client(t, whose, true, now);
    the_controller text;
    day date := vault.helsinki_day(now);
    received date;
    again uuid;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'request-make', now);
    e.client := CASE WHEN own OR vault.answers_for(t, whose) THEN whose ELSE t.client END;
    e.facts := concat_ws(' ', (SELECT k.kind FROM vault.request_kind k WHERE k.kind = a_kind), e.facts);
    IF whose IS NULL OR NOT (own OR vault.answers_for(t, whose)) THEN RETURN vault.conclude(e, 'hidden', '{recipient-not-covered}', NULL); END IF;
    IF NOT EXISTS (SELECT FROM vault.request_kind k WHERE k.kind = a_kind) THEN RETURN vault.conclude(e, 'unknown-kind', NULL, NULL); END IF;
    IF (a_kind = 'restriction') <> coalesce(about ->> 'ground' IN ('accuracy', 'unlawful', 'claim', 'objection'), false) THEN
        RETURN vault.conclude(e, 'unknown-ground', NULL, NULL);
    END IF;
    -- What is named must be this client's, and of one controller; what is not, and what does not exist, answer alike.
    IF a_document IS NOT NULL AND NOT EXISTS (SELECT FROM vault.document d JOIN vault.client_case c ON c.id = d.case_id AND c.client = whose
            JOIN vault.filing f ON f.document = d.id
            WHERE d.id = a_document AND d.copy_of IS NULL AND (a_case IS NULL OR d.case_id = a_case)) THEN RETURN vault.conclude(e, 'unknown-asked-document', NULL, NULL); END IF;
    IF an_entry IS NOT NULL AND NOT EXISTS (SELECT FROM vault.entry x WHERE x.id = an_entry AND x.client = whose AND x.case_id IS NOT NULL) THEN
        RETURN vault.conclude(e, 'unknown-entry', NULL, NULL);
    END IF;
    IF the_case IS NOT NULL AND NOT EXISTS (SELECT FROM vault.client_case c WHERE c.id = the_case AND c.client = whose AND (own OR c.controller = t.agency)) THEN
        RETURN vault.conclude(e, 'unknown-asked-case', NULL, NULL);
    END IF;
    the_controller := CASE WHEN own THEN vault.controller_for(whose, the_case) ELSE t.agency END;
    IF the_controller IS NULL THEN RETURN vault.conclude(e, 'which-case', NULL, NULL); END IF;
    e.case_id := the_case; e.document := a_document; e.of_entry := an_entry;
    received := CASE WHEN own THEN day ELSE (about ->> 'received_on')::date END;
    IF received > day THEN RETURN vault.conclude(e, 'received-in-future', NULL, NULL); END IF;
    PERFORM vault.move_cases(whose, the_case);
    -- A second press is the same request.
    SELECT r.id INTO again FROM vault.request r WHERE r.client = whose AND r.controller = the_controller AND r.kind = a_kind AND (r.id = a_request OR (
        a_kind IN ('export-review', 'log-names', 'explanation') AND r.case_id IS NOT DISTINCT FROM the_case AND r.document IS NOT DISTINCT FROM a_document
        AND r.about_entry IS NOT DISTINCT FROM an_entry AND r.first_day IS NOT DISTINCT FROM (about ->> 'from')::date
        AND r.last_day IS NOT DISTINCT FROM (about ->> 'until')::date AND vault.is_running((vault.request_at(r.id, now)).state))) ORDER BY r.id LIMIT 1;
    IF again IS NULL THEN
        INSERT INTO vault.request (id, kind, client, controller, case_id, document, about_entry, language, received_how, received_on, first_day, last_day,
            ground, sealed_text, entry, recorded_at)
        VALUES (a_request, a_kind, whose, the_controller, the_case, a_document, an_entry,
            coalesce(about ->> 'language', (SELECT x.language FROM vault.client_about x WHERE x.client = whose ORDER BY x.n DESC LIMIT 1)),
            CASE WHEN own THEN 'own-pages' ELSE about ->> 'received_how' END, received, (about ->> 'from')::date, (about ->> 'until')::date, about ->> 'ground', sealed, e.id, now);
        PERFORM vault.request_put(a_request, 'received', vault.due_day(a_kind, received, false), NULL, NULL, NULL, t, e.id, now);
        -- What the archive has by now is asked for there.
        IF a_kind = 'self-access' THEN PERFORM vault.request_route(a_request, vault.due_day(a_kind, received, false), e.id, now); END IF;
        IF own OR about ->> 'identified_how' IS NOT NULL THEN
            PERFORM vault.request_put(a_request, 'identified', vault.due_day(a_kind, received, false),
                jsonb_build_object('identified_how', CASE WHEN own THEN 'strong-identification' ELSE about ->> 'identified_how' END), NULL, NULL, t, e.id, now);
        END IF;
        PERFORM vault.tell('request-made', 'client:' || whose, e.id, now);
    END IF;
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('id', coalesce(again, a_request),
        'due_on', (vault.request_at(coalesce(again, a_request), now)).due_on));
END
$act$;

-- A request of this officer's controller, with an entry that begins about it; the id stays null for anybody else's.
CREATE OR REPLACE FUNCTION vault.desk_request(t vault.token, a_request uuid) RETURNS vault.request
LANGUAGE sql STABLE
RETURN (SELECT r FROM vault.request r WHERE r.id = a_request AND t.actor = 'records-officer' AND r.controller = t.agency);

-- One step of a request at the desk. about: {"identified_how"}, {"provision", "told", "judge"}, {"names": [professional, …]}, {"papers": [document, …]}.
CREATE OR REPLACE FUNCTION vault.request_step(secret bytea, a_request uuid, a_step text, about jsonb, sealed bytea, a_reason bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    r vault.request := vault.desk_request(t, a_request);
    s vault.request_state;
    e vault.entry;
    state text;
    due date;
    wanted uuid[];
    papers uuid[] := ARRAY(SELECT jsonb_array_elements_text(coalesce(about -> 'papers', '[]'))::uuid);
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'request-' || a_step, now);
    IF r.id IS NULL THEN RETURN vault.conclude(e, 'hidden', '{recipient-not-covered}', NULL); END IF;
    e.client := r.client; e.case_id := r.case_id; e.document := r.document; e.of_entry := r.entry; e.facts := concat_ws(' ', r.kind, about ->> 'provision');
    PERFORM vault.move_cases(r.client, r.case_id);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    s := vault.request_at(r.id, now);
    state := vault.request_next(s.state, a_step);
    IF state IS NULL THEN RETURN vault.conclude(e, 'request-state', NULL, NULL); END IF;
    IF state IN ('answered', 'partly-refused') AND s.identified_how IS NULL THEN RETURN vault.conclude(e, 'not-identified', NULL, NULL); END IF;
    due := s.due_on;
    IF a_step = 'extend' THEN
        -- The person is told inside the first time, or it is too late to take more.
        IF vault.due_day(r.kind, r.received_on, true) IS NULL THEN RETURN vault.conclude(e, 'no-extension', NULL, NULL); END IF;
        IF vault.helsinki_day(now) > s.due_on OR EXISTS (SELECT FROM vault.request_state x WHERE x.request = r.id AND x.state = 'extended') THEN
            RETURN vault.conclude(e, 'extension-too-late', NULL, NULL);
        END IF;
        due := vault.due_day(r.kind, r.received_on, true);
    END IF;
    -- An answer that hands out papers waits for them; one about a correction or a restriction hands out none.
    IF a_step = 'answer' AND r.kind NOT IN ('correction', 'restriction') AND EXISTS (SELECT FROM jsonb_array_elements(vault.request_documents(r, now)) j WHERE j -> 'stands' ->> 'how' = 'waiting') THEN
        RETURN vault.conclude(e, 'documents-wait', NULL, NULL);
    END IF;
    wanted := ARRAY(SELECT jsonb_array_elements_text(coalesce(about -> 'names', '[]'))::uuid);
    IF wanted <> '{}' AND (r.kind <> 'log-names' OR NOT wanted <@ ARRAY(SELECT DISTINCT x.professional FROM vault.entries_asked(r) x)) THEN
        RETURN vault.conclude(e, 'unknown-name', NULL, NULL);
    END IF;
    IF about -> 'judge' IS NOT NULL AND vault.judge_named(about -> 'judge') IS NULL THEN RETURN vault.conclude(e, 'unknown-judge', NULL, NULL); END IF;
    -- Where a part of a restriction is refused, the papers that are restricted are named.
    IF (papers <> '{}') <> (r.kind = 'restriction' AND a_step = 'refuse-part')
        OR NOT papers <@ ARRAY(SELECT (j ->> 'id')::uuid FROM jsonb_array_elements(vault.request_documents(r, now)) j) THEN
        RETURN vault.conclude(e, 'unknown-paper', NULL, NULL);
    END IF;
    IF r.kind = 'restriction' AND state IN ('answered', 'partly-refused') AND NOT EXISTS (SELECT FROM vault.client_case c WHERE c.client = r.client
            AND c.controller = r.controller AND (r.case_id IS NULL OR c.id = r.case_id) AND vault.recorded_state(c.id, now) IS DISTINCT FROM 'archived') THEN
        RETURN vault.conclude(e, 'nothing-to-restrict', NULL, NULL);
    END IF;
    PERFORM vault.request_put(r.id, state, due, about, sealed, a_reason, t, e.id, now);
    IF state IN ('answered', 'partly-refused') THEN
        INSERT INTO vault.request_name (request, professional, entry, recorded_at) SELECT r.id, p, e.id, now FROM unnest(wanted) p ON CONFLICT DO NOTHING;
    END IF;
    -- Its versions were moved above: no ask that was permitted before can be taken from here on.
    IF r.kind = 'restriction' AND state IN ('answered', 'partly-refused') THEN
        PERFORM vault.restrict(r, coalesce(nullif(papers, '{}'), CASE WHEN r.document IS NOT NULL THEN ARRAY[r.document] END), e.id, now);
    END IF;
    PERFORM vault.tell('request-' || state, 'client:' || r.client, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('state', state, 'due_on', due, 'names', cardinality(wanted)));
END
$act$;

-- A records officer's reason to open one document for one request. It opens nothing for anybody else, and nothing after a day.
CREATE OR REPLACE FUNCTION vault.request_look(secret bytea, a_look uuid, a_request uuid, a_document uuid, sealed bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    r vault.request := vault.desk_request(t, a_request);
    e vault.entry;
    d vault.document;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'request-look', now);
    SELECT x.* INTO d FROM vault.document x JOIN vault.client_case c ON c.id = x.case_id
    WHERE x.id = a_document AND x.copy_of IS NULL AND c.client = r.client AND c.controller = r.controller
      AND (r.case_id IS NULL OR x.case_id = r.case_id) AND (r.document IS NULL OR x.id = r.document);
    IF r.id IS NULL OR d.id IS NULL THEN RETURN vault.conclude(e, 'hidden', '{recipient-not-covered}', NULL); END IF;
    e.client := r.client; e.case_id := d.case_id; e.document := d.id; e.document_type := d.type; e.source := d.source; e.of_entry := r.entry;
    e.facts := r.kind;
    IF NOT vault.is_running((vault.request_at(r.id, now)).state) OR r.kind NOT IN ('export-review', 'self-access', 'correction', 'restriction') THEN
        RETURN vault.conclude(e, 'request-state', NULL, NULL);
    END IF;
    IF (vault.request_at(r.id, now)).identified_how IS NULL THEN RETURN vault.conclude(e, 'not-identified', NULL, NULL); END IF;
    INSERT INTO vault.request_look (id, request, document, professional, sealed_reason, entry, recorded_at)
    VALUES (a_look, r.id, d.id, t.professional, sealed, e.id, now) ON CONFLICT (id) DO NOTHING;
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('client', r.client));
END
$act$;

-- Begin a client's copy of a document that the officer may open: its row, its key and its object's name, before the first byte.
CREATE OR REPLACE FUNCTION vault.copy_begin(secret bytea, a_document uuid, a_copy uuid, an_object text, sealed bytea, key vault.key_row) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    d vault.document;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    SELECT * INTO d FROM vault.document x WHERE x.id = a_document AND x.copy_of IS NULL;
    e := vault.entry_of(t, 'copy-begin', now);
    IF d.id IS NULL OR NOT vault.may_look(t, a_document, now) THEN RETURN vault.conclude(e, 'hidden', '{recipient-not-covered}', NULL); END IF;
    e.case_id := d.case_id; e.client := (SELECT c.client FROM vault.client_case c WHERE c.id = d.case_id);
    e.document := a_document; e.document_type := d.type; e.source := d.source;
    PERFORM FROM vault.fact_version v WHERE v.scope = 'case:' || d.case_id FOR SHARE;
    INSERT INTO vault.document (id, case_id, type, agency, application, professional, source, source_unit, series, dated, valid_until, language, protected_classes,
        third_persons, check_before_client, original, media_type, key_parent, sealed_about, entry, recorded_at, copy_of)
    VALUES (a_copy, d.case_id, d.type, t.agency, t.application, t.professional, d.source, d.source_unit, a_copy, d.dated, d.valid_until, d.language,
        d.protected_classes, false, false, false, 'application/pdf', d.key_parent, sealed, e.id, now, a_document);
    PERFORM vault.store_keys(ARRAY[key], now);
    INSERT INTO vault.attempt (object, document, entry, recorded_at) VALUES (an_object, a_copy, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- Decide what the client gets of a document: open, withheld, or a copy with pages withheld. It counts from here on, for running
-- downloads too. about: {"how", "provision", "told", "pages", "copy", "object", "size", "judge": {"agency", "professional"}}.
CREATE OR REPLACE FUNCTION vault.withhold(secret bytea, a_withholding uuid, a_request uuid, a_document uuid, about jsonb, sealed bytea, sealed_digest bytea)
RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    r vault.request := vault.desk_request(t, a_request);
    e vault.entry;
    d vault.document;
    judge uuid;
    the_copy uuid := (about ->> 'copy')::uuid;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    SELECT * INTO d FROM vault.document x WHERE x.id = a_document AND x.copy_of IS NULL;
    e := vault.entry_of(t, 'withhold', now);
    IF r.id IS NULL OR d.id IS NULL OR NOT vault.may_look(t, a_document, now)
        OR NOT EXISTS (SELECT FROM vault.request_look l WHERE l.request = r.id AND l.document = d.id) THEN
        RETURN vault.conclude(e, 'hidden', '{recipient-not-covered}', NULL);
    END IF;
    PERFORM vault.move('case:' || d.case_id);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    e.client := r.client; e.case_id := d.case_id; e.document := d.id; e.document_type := d.type; e.source := d.source; e.of_entry := r.entry;
    e.facts := concat_ws(' ', about ->> 'how', about ->> 'provision');
    IF NOT vault.may_look(t, a_document, now) THEN RETURN vault.conclude(e, 'request-state', NULL, NULL); END IF;
    IF EXISTS (SELECT FROM vault.withholding w WHERE w.id = a_withholding AND w.document = d.id) THEN RETURN vault.conclude(e, 'done', NULL, NULL); END IF;
    IF about -> 'judge' IS NOT NULL THEN
        -- Whether somebody's health is at stake is for a professional of health or social care to judge, by name.
        judge := vault.judge_named(about -> 'judge');
        IF judge IS NULL THEN RETURN vault.conclude(e, 'unknown-judge', NULL, NULL); END IF;
    END IF;
    IF the_copy IS NOT NULL THEN
        PERFORM FROM vault.attempt a JOIN vault.document k ON k.id = a.document AND k.copy_of = d.id
            WHERE a.object = about ->> 'object' AND a.document = the_copy FOR UPDATE OF a;
        IF NOT FOUND OR EXISTS (SELECT FROM vault.attempt_end x WHERE x.object = about ->> 'object') THEN RETURN vault.conclude(e, 'given-up', NULL, NULL); END IF;
        INSERT INTO vault.filing (document, object, size_bytes, sealed_digest, entry, recorded_at)
        VALUES (the_copy, about ->> 'object', (about ->> 'size')::bigint, withhold.sealed_digest, e.id, now);
    END IF;
    INSERT INTO vault.withholding (id, document, request, how, pages, copy, provision, told, sealed_reason, decided_by, professional, entry, recorded_at)
    VALUES (a_withholding, d.id, r.id, about ->> 'how', ARRAY(SELECT jsonb_array_elements_text(nullif(about -> 'pages', 'null'))::integer), the_copy,
        about ->> 'provision', (about ->> 'told')::boolean, sealed, judge, t.professional, e.id, now);
    PERFORM vault.tell('document-decided', 'case:' || d.case_id, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;
