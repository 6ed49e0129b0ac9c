-- Consents, withdrawals, the facts about a client, the explanation. Source: design.md §3.2; GDPR Art. 7.

-- Every agency, unit and document that a clause names must exist, and the document be of these cases; which list names another.
CREATE OR REPLACE FUNCTION vault.unknown_named(clauses jsonb, cases uuid[]) RETURNS text
LANGUAGE sql STABLE
RETURN (SELECT 'provisions[' || (p.place - 1) || '].' || x.list
    FROM jsonb_array_elements(clauses) WITH ORDINALITY AS p (j, place)
    CROSS JOIN LATERAL (
        SELECT 'recipients' AS list, r FROM jsonb_array_elements(CASE jsonb_typeof(p.j -> 'recipients') WHEN 'array' THEN p.j -> 'recipients' ELSE '[]' END) r
        UNION ALL SELECT 'sources', r FROM jsonb_array_elements(CASE jsonb_typeof(p.j -> 'sources') WHEN 'array' THEN p.j -> 'sources' ELSE '[]' END) r
        UNION ALL SELECT 'documents', r FROM jsonb_array_elements(CASE jsonb_typeof(p.j -> 'documents') WHEN 'array' THEN p.j -> 'documents' ELSE '[]' END) r) x
    WHERE (x.r ? 'agency' AND NOT EXISTS (SELECT FROM vault.agency a WHERE a.id = x.r ->> 'agency'))
       OR (x.r ? 'unit' AND NOT EXISTS (SELECT FROM vault.unit u WHERE u.id = x.r ->> 'unit' AND u.agency = x.r ->> 'agency'))
       OR (x.r ? 'document' AND NOT EXISTS (SELECT FROM vault.document d
            WHERE d.id::text = lower(x.r ->> 'document') AND d.case_id = ANY (cases) AND d.copy_of IS NULL))
    ORDER BY p.place LIMIT 1);

-- Record a consent: the signed form was filed first, the provisions were checked (rules/consent.py) and are stored as data.
CREATE OR REPLACE FUNCTION vault.consent_record(
    secret bytea, a_consent uuid, a_case uuid, about jsonb, provisions jsonb, a_digest bytea, sealed bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    the_form vault.document;
    wrong text;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_in(t, 'consent-record', a_case, now);
    e.consent := a_consent; e.provisions_digest := a_digest; e.document := (about ->> 'form')::uuid;
    IF NOT vault.is_member(a_case, t.agency, CASE WHEN t.actor = 'professional' THEN t.role END, now) OR e.client IS NULL THEN
        RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL);
    END IF;
    PERFORM vault.move('case:' || a_case);
    IF NOT vault.is_coordinator(t, a_case, now) THEN RETURN vault.conclude(e, 'forbidden', '{recipient-not-covered}', NULL); END IF;
    IF vault.recorded_state(a_case, now) IS NOT NULL THEN RETURN vault.conclude(e, 'forbidden', '{case-closed}', NULL); END IF;
    SELECT * INTO the_form FROM vault.document d WHERE d.id = (about ->> 'form')::uuid AND d.case_id = a_case AND d.type = 'suostumus' AND d.copy_of IS NULL
        AND EXISTS (SELECT FROM vault.filing f WHERE f.document = d.id) AND NOT EXISTS (SELECT FROM vault.document_mark k WHERE k.document = d.id AND k.mark <> 'checked');
    IF the_form.id IS NULL THEN RETURN vault.conclude(e, 'unknown-form', NULL, NULL); END IF;
    IF EXISTS (SELECT FROM vault.consent c WHERE c.id = a_consent AND c.form = the_form.id) THEN RETURN vault.conclude(e, 'done', NULL, NULL); END IF;
    IF EXISTS (SELECT FROM vault.consent c WHERE c.form = the_form.id) THEN RETURN vault.conclude(e, 'form-used', NULL, NULL); END IF;
    IF (about ->> 'signed_on')::date > vault.helsinki_day(now) THEN RETURN vault.conclude(e, 'signed-in-future', NULL, NULL); END IF;
    IF about ->> 'replaces' IS NOT NULL AND NOT EXISTS (SELECT FROM vault.consent c WHERE c.id = (about ->> 'replaces')::uuid AND c.case_id = a_case) THEN
        RETURN vault.conclude(e, 'unknown-replaces', NULL, NULL);
    END IF;
    wrong := vault.unknown_named(provisions, ARRAY[a_case]);
    IF wrong IS NOT NULL THEN RETURN vault.conclude(e, 'unknown-named', NULL, jsonb_build_object('field', wrong)); END IF;
    INSERT INTO vault.consent (id, case_id, form, signed_on, language, capacity, authority, verified_how, valid_from, valid_until, replaces,
        provisions_digest, sealed_about, entry, recorded_at)
    VALUES (a_consent, a_case, the_form.id, (about ->> 'signed_on')::date, about ->> 'language', about ->> 'capacity', about ->> 'authority',
        about ->> 'verified_how', (about ->> 'valid_from')::date, (about ->> 'valid_until')::date, (about ->> 'replaces')::uuid, a_digest, sealed, e.id, now);
    INSERT INTO vault.provision (consent, number, effect, recipients, sources, documents, actions, purposes, dated_from, dated_until, protected_classes, future_documents)
    SELECT a_consent, (j ->> 'number')::integer, j ->> 'effect', nullif(j -> 'recipients', 'null'), nullif(j -> 'sources', 'null'), nullif(j -> 'documents', 'null'),
        CASE jsonb_typeof(j -> 'actions') WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(j -> 'actions')) END,
        CASE jsonb_typeof(j -> 'purposes') WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(j -> 'purposes')) END,
        (j -> 'dated' ->> 'from')::date, (j -> 'dated' ->> 'until')::date,
        CASE jsonb_typeof(j -> 'protected_classes') WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(j -> 'protected_classes'))
            ELSE CASE j ->> 'effect' WHEN 'permit' THEN '{}'::text[] END END,
        coalesce((j ->> 'future_documents')::boolean, false)
    FROM jsonb_array_elements(provisions) j;
    PERFORM vault.tell('consent-recorded', 'case:' || a_case, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- Withdraw a consent, whole or by provision. The client may give it to any member agency, which records it (GDPR Art. 7(3));
-- the others are told. Withdrawing what is withdrawn already changes nothing and is answered alike.
CREATE OR REPLACE FUNCTION vault.consent_withdraw(
    secret bytea, a_withdrawal uuid, a_consent uuid, numbers integer[], given timestamptz, sealed bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    c vault.consent;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    SELECT * INTO c FROM vault.consent x WHERE x.id = a_consent;
    e := vault.entry_of(t, 'consent-withdraw', now);
    e.case_id := c.case_id; e.client := coalesce((SELECT x.client FROM vault.client_case x WHERE x.id = c.case_id), t.client);
    e.consent := a_consent; e.provisions_digest := c.provisions_digest;
    IF NOT coalesce((t.actor = 'professional' AND vault.is_member(c.case_id, t.agency, t.role, now)) OR vault.stands_for(t, c.case_id, true, now), false)
        OR c.id IS NULL THEN
        RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL);
    END IF;
    IF NOT numbers <@ ARRAY(SELECT p.number FROM vault.provision p WHERE p.consent = a_consent) THEN RETURN vault.conclude(e, 'unknown-provision', NULL, NULL); END IF;
    IF given > now THEN RETURN vault.conclude(e, 'given-in-future', NULL, NULL); END IF;
    IF EXISTS (SELECT FROM vault.withdrawal w WHERE w.id = a_withdrawal AND w.consent = a_consent) THEN
        RETURN vault.conclude(e, 'done', NULL, (SELECT jsonb_build_object('case', c.case_id, 'given_at', vault.rfc3339(w.given_at))
            FROM vault.withdrawal w WHERE w.id = a_withdrawal));
    END IF;
    -- The version moves before the withdrawal is recorded: no earlier permit can be taken any more.
    PERFORM vault.move('case:' || c.case_id);
    e.facts := array_to_string(numbers, ' ');
    INSERT INTO vault.withdrawal (id, consent, provisions, given_at, sealed_reason, entry, recorded_at)
    VALUES (a_withdrawal, a_consent, numbers, coalesce(given, now), sealed, e.id, now);
    PERFORM vault.notify_agencies(c.case_id, t.agency, 'consent-withdrawn', a_consent, e.id, now);
    PERFORM vault.tell('consent-withdrawn', 'case:' || c.case_id, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('case', c.case_id, 'given_at', vault.rfc3339(coalesce(given, now))));
END
$act$;

-- The explanation: what the door would decide, or would have decided at a past instant from what was recorded then.
-- For the coordinator (membership is enough), for the client, and for an agency about itself and documents it knows.
CREATE OR REPLACE FUNCTION vault.explain(secret bytea, a_document uuid, an_agency text, a_unit text, a_role text, a_subject text,
    an_action text, a_purpose text, an_instant timestamptz) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    d vault.document;
    verdict vault.decision;
    own vault.decision;
    told boolean;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    SELECT * INTO d FROM vault.document x WHERE x.id = a_document AND x.copy_of IS NULL;
    e := vault.entry_in(t, 'explain', d.case_id, now);
    e.document := a_document;
    e.document_type := d.type; e.action := an_action; e.facts := concat_ws(' ', (SELECT a.id FROM vault.agency a WHERE a.id = an_agency),
        (SELECT u.id FROM vault.unit u WHERE u.id = a_unit AND u.agency = an_agency), a_role, a_purpose);
    -- The unit '*' of names_recipient is for memberships only.
    verdict := vault.decide(a_document, an_agency, nullif(a_unit, '*'), a_role, a_subject, an_action, a_purpose, least(coalesce(an_instant, now), now));
    -- A statement of its own, so that an unknown id runs the same ones.
    own := vault.may_read(t, a_document, now);
    told := d.id IS NOT NULL AND (vault.is_coordinator(t, d.case_id, now)
        OR (t.actor IN ('client', 'representative') AND vault.stands_for(t, d.case_id, false, now) AND vault.may_see_classes(t, d.protected_classes, now))
        OR (t.actor = 'professional' AND an_agency = t.agency AND (d.agency = t.agency
            OR EXISTS (SELECT FROM vault.known k WHERE k.document = d.id AND k.agency = t.agency)
            OR own.decision = 'permit')));
    IF told IS NOT TRUE THEN RETURN vault.conclude(e, 'hidden', '{document-not-covered}', NULL); END IF;
    IF NOT EXISTS (SELECT FROM vault.agency a WHERE a.id = an_agency) THEN RETURN vault.conclude(e, 'unknown-agency', NULL, NULL); END IF;
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('decision', verdict.decision, 'basis', verdict.basis, 'consent', verdict.consent,
        'provision', verdict.provision, 'reasons', to_jsonb(verdict.reasons)));
END
$act$;

CREATE OR REPLACE FUNCTION vault.notice_acknowledge(secret bytea, a_notice uuid) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    n vault.notice;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    SELECT * INTO n FROM vault.notice x WHERE x.id = a_notice AND x.agency = t.agency;
    e := vault.entry_of(t, 'notice-acknowledge', now);
    e.case_id := n.case_id; e.consent := n.consent; e.document := n.document;
    IF n.id IS NULL THEN RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL); END IF;
    INSERT INTO vault.notice_ack (notice, entry, recorded_at) VALUES (a_notice, e.id, now) ON CONFLICT DO NOTHING;
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;
