-- Lists are reads (design.md §3.3): they are asked at the door, logged, and show only what the rules of release permit.
-- facts.keys names the keys that the titles and names need; facts.logged is what the entry says of the list.

CREATE OR REPLACE FUNCTION vault.case_status(a_case uuid, as_of timestamptz) RETURNS text
LANGUAGE sql STABLE
RETURN coalesce(vault.recorded_state(a_case, as_of),
    CASE WHEN vault.in_force(a_case, 'handle', NULL, NULL, NULL, as_of) THEN 'open' ELSE 'awaiting-consent' END);

CREATE OR REPLACE FUNCTION vault.b64(bytes bytea) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN translate(encode(bytes, 'base64'), E'\n', '');

CREATE OR REPLACE FUNCTION vault.case_json(c vault.client_case, t vault.token, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_object('id', c.id, 'process', c.process, 'controller', c.controller, 'state', vault.case_status(c.id, as_of),
    'client', c.client, 'language', c.language, 'interpreter', c.interpreter, 'opened_at', vault.rfc3339(c.recorded_at),
    -- The client's name goes to the coordinator, and to members while the case may be handled.
    -- An archived case's key is gone.
    'about', CASE WHEN vault.recorded_state(c.id, as_of) = 'archived' THEN NULL WHEN vault.is_coordinator(t, c.id, as_of)
        OR (t.actor = 'professional' AND vault.in_force(c.id, 'handle', t.agency, '*', t.role, as_of)) THEN vault.b64(c.sealed_about) END,
    'reference', (SELECT vault.b64(r.sealed) FROM vault.case_reference r WHERE vault.recorded_state(c.id, as_of) IS DISTINCT FROM 'archived' AND r.case_id = c.id AND r.agency = t.agency ORDER BY r.n DESC LIMIT 1));

CREATE OR REPLACE FUNCTION vault.document_json(d vault.document, with_digest boolean) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_object('id', d.id, 'case', d.case_id, 'client', (SELECT c.client FROM vault.client_case c WHERE c.id = d.case_id),
    'type', d.type, 'filed_by', d.agency, 'filed_by_unit', d.unit, 'source', coalesce(d.source_unit, d.source), 'attachment_of', d.attachment_of,
    'replaces', d.replaces, 'series', d.series, 'dated', d.dated, 'valid_until', d.valid_until, 'language', d.language,
    'protected_classes', d.protected_classes, 'third_persons', d.third_persons, 'check_before_client', d.check_before_client,
    'original', d.original, 'media_type', d.media_type, 'key_parent', d.key_parent, 'about', vault.b64(d.sealed_about),
    'registered_at', vault.rfc3339(d.recorded_at),
    'state', coalesce(
        CASE WHEN vault.is_misfiled(d.id, 'infinity') THEN 'misfiled' END,
        (SELECT k.mark FROM vault.document_mark k WHERE k.document = d.id AND k.mark = 'retracted'),
        (SELECT 'filed' FROM vault.filing f WHERE f.document = d.id), 'awaiting-content'),
    'size', (SELECT f.size_bytes FROM vault.filing f WHERE f.document = d.id),
    'filed_at', (SELECT vault.rfc3339(f.recorded_at) FROM vault.filing f WHERE f.document = d.id),
    'digest', CASE WHEN with_digest THEN (SELECT vault.b64(f.sealed_digest) FROM vault.filing f WHERE f.document = d.id) END);

CREATE OR REPLACE FUNCTION vault.provision_json(p vault.provision) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_object('number', p.number, 'effect', p.effect, 'recipients', p.recipients, 'sources', p.sources, 'documents', p.documents,
    'actions', p.actions, 'purposes', p.purposes, 'dated', CASE WHEN p.dated_from IS NOT NULL OR p.dated_until IS NOT NULL
        THEN jsonb_strip_nulls(jsonb_build_object('from', p.dated_from, 'until', p.dated_until)) END,
    'protected_classes', p.protected_classes, 'future_documents', p.future_documents,
    'withdrawn_at', (SELECT vault.rfc3339(min(w.recorded_at)) FROM vault.withdrawal w
        WHERE w.consent = p.consent AND (w.provisions IS NULL OR p.number = ANY (w.provisions))));

CREATE OR REPLACE FUNCTION vault.consent_json(c vault.consent, t vault.token, all_clauses boolean, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_object('id', c.id, 'case', c.case_id, 'form', c.form, 'signed_on', c.signed_on, 'language', c.language,
    'capacity', c.capacity, 'verified_how', c.verified_how, 'valid_from', c.valid_from, 'valid_until', c.valid_until, 'replaces', c.replaces,
    'recorded_at', vault.rfc3339(c.recorded_at), 'about', CASE WHEN all_clauses THEN vault.b64(c.sealed_about) END,
    'faults', (SELECT to_jsonb(x.faults) FROM vault.provisions_at(c.case_id, as_of) x WHERE x.consent = c.id ORDER BY cardinality(x.faults) LIMIT 1),
    -- An agency sees only the clauses that name it.
    'provisions', (SELECT coalesce(jsonb_agg(vault.provision_json(p) ORDER BY p.number), '[]') FROM vault.provision p
        WHERE p.consent = c.id AND (all_clauses OR p.recipients IS NULL
            OR vault.names_recipient(p.recipients, t.agency, '*', t.role, vault.subject_of(t),
                (SELECT a.recorded_at FROM vault.agency a WHERE a.id = t.agency), c.recorded_at))));

CREATE OR REPLACE FUNCTION vault.page(items jsonb, page_size integer) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN jsonb_build_object(
    'items', (SELECT coalesce(jsonb_agg(i.item ORDER BY i.place), '[]')
              FROM jsonb_array_elements(coalesce(items, '[]')) WITH ORDINALITY AS i (item, place) WHERE i.place <= page_size),
    'more', coalesce(jsonb_array_length(items), 0) > page_size);

-- The acts list and find. about: {"target", "after", "limit", …}; the target is one of those below.
CREATE OR REPLACE FUNCTION vault.listing(t vault.token, act text, a_case uuid, a_document uuid, about jsonb, as_of timestamptz) RETURNS vault.answer
LANGUAGE plpgsql STABLE
AS $listing$
DECLARE
    target text := about ->> 'target';
    page_size integer := least(coalesce((about ->> 'limit')::integer, 50), 200);
    after uuid := coalesce((about ->> 'after')::uuid, '00000000-0000-0000-0000-000000000000');
    a vault.answer;
    cc vault.client_case;
    d vault.document;
    items jsonb;
    keys text[];
    member boolean := t.actor IN ('professional', 'system')
        AND vault.is_member(a_case, t.agency, CASE WHEN t.actor = 'professional' THEN t.role END, as_of);
    coordinator boolean := vault.is_coordinator(t, a_case, as_of);
    verdict vault.decision;
    acting record;
BEGIN
    a.status := 'hidden'; a.reasons := '{not-a-member}';
    SELECT * INTO cc FROM vault.client_case c WHERE c.id = a_case;
    IF act = 'find' THEN
        -- The lookup key, to find a client by code, and the epoch key of now, under which a new case's key is wrapped.
        IF t.actor = 'professional' THEN
            a.status := 'permit';
            a.facts := jsonb_build_object('epoch', vault.epoch_now(as_of),
                'keys', jsonb_build_array('lookup:lookup', 'epoch:' || vault.epoch_now(as_of)), 'logged', 'client');
        ELSIF t.actor IN ('visitor', 'records-officer') THEN
            a.status := 'permit';
            a.facts := jsonb_build_object('epoch', vault.epoch_now(as_of), 'keys', jsonb_build_array('lookup:lookup'), 'logged', 'client');
        ELSE
            a.status := 'forbidden'; a.reasons := '{recipient-not-covered}';
        END IF;
    ELSIF t.actor = 'visitor' THEN
        a.status := 'forbidden'; a.reasons := '{recipient-not-covered}';
    ELSIF act IN ('package', 'verify', 'destroy', 'rewrap') THEN
        a.facts := vault.job_facts(t, act, a_case, as_of);
        IF a.facts IS NULL THEN
            a.status := 'forbidden'; a.reasons := '{recipient-not-covered}';
        ELSE
            a.status := 'permit'; a.facts := a.facts || jsonb_build_object('logged', act);
        END IF;
    ELSIF act <> 'list' THEN
        -- repair: no rule permits it to anybody yet.
        a.status := 'forbidden'; a.reasons := '{recipient-not-covered}';
    ELSIF target = 'cases' THEN
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT c.id, vault.case_json(c, t, as_of) AS j FROM vault.client_case c
            WHERE c.id > after AND t.actor IN ('professional', 'system')
              AND c.id IN (SELECT m.case_id FROM vault.member m WHERE m.agency = t.agency)
              AND vault.is_member(c.id, t.agency, CASE WHEN t.actor = 'professional' THEN t.role END, as_of)
              AND (about ->> 'code_mac' IS NULL
                   OR c.client IN (SELECT vault.clients_given(decode(about ->> 'code_mac', 'hex'))))
            ORDER BY c.id LIMIT page_size + 1) x;
        a.status := 'permit';
        keys := ARRAY(SELECT 'case:' || (i ->> 'id') FROM jsonb_array_elements(coalesce(items, '[]')) i);
    ELSIF target IN ('transfers', 'transfer') THEN
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT x.id, vault.transfer_json(x, t) AS j FROM vault.transfer x
            WHERE x.id > after AND vault.is_archivist(t, x.case_id) AND (target = 'transfers' OR x.id = (about ->> 'transfer')::uuid)
            ORDER BY x.id LIMIT page_size + 1) x;
        IF t.actor <> 'professional' OR t.role <> 'archivist' THEN
            a.status := 'forbidden'; a.reasons := '{recipient-not-covered}';
        ELSIF target = 'transfers' OR items IS NOT NULL THEN
            a.status := 'permit';
            -- A hold's reason is told to who must wait for it; it is sealed under the case's key, of which nothing else is shown here.
            IF target = 'transfer' AND items -> 0 -> 'holds' <> '[]' THEN keys := ARRAY['case:' || (items -> 0 ->> 'case')]; END IF;
        END IF;
    ELSIF target = 'archive-requests' THEN
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT r.id, vault.archive_request_json(r) AS j FROM vault.archive_request r JOIN vault.transfer x ON x.id = r.transfer
            WHERE r.id > after AND vault.is_archivist(t, x.case_id) ORDER BY r.id LIMIT page_size + 1) x;
        IF t.actor <> 'professional' OR t.role <> 'archivist' THEN
            a.status := 'forbidden'; a.reasons := '{recipient-not-covered}';
        ELSE
            a.status := 'permit';
        END IF;
    ELSIF target = 'inbox' THEN
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT n.id, jsonb_build_object('id', n.id, 'kind', n.kind, 'case', n.case_id, 'consent', n.consent, 'document', n.document,
                'recorded_at', vault.rfc3339(n.recorded_at)) AS j
            FROM vault.notice n WHERE n.agency = t.agency AND n.id > after
              AND (about ->> 'notice' IS NULL OR n.id = (about ->> 'notice')::uuid)
              AND NOT EXISTS (SELECT FROM vault.notice_ack k WHERE k.notice = n.id)
            ORDER BY n.id LIMIT page_size + 1) x;
        a.status := 'permit';
    ELSIF target = 'document' THEN
        SELECT * INTO d FROM vault.document x WHERE x.id = a_document AND vault.knows_copies(t, x);
        verdict := vault.may_read(t, a_document, as_of);
        a.basis := verdict.basis; a.consent := verdict.consent; a.provision := verdict.provision; a.reasons := verdict.reasons;
        IF verdict.decision = 'permit' AND (d.agency = t.agency OR EXISTS (SELECT FROM vault.filing f WHERE f.document = d.id)) THEN
            a.status := 'permit';
        ELSIF t.actor NOT IN ('professional', 'system') THEN
            NULL;  -- what an agency filed is told to those who act in its cases, not to its records officer
        ELSIF d.agency = t.agency AND vault.is_member(d.case_id, t.agency, NULL, as_of)
            AND vault.recorded_state(d.case_id, as_of) IS DISTINCT FROM 'archived' THEN
            a.status := 'permit'; a.basis := 'own-document'; a.reasons := '{own-document}';
        ELSIF d.agency = t.agency OR EXISTS (SELECT FROM vault.known k WHERE k.document = a_document AND k.agency = t.agency) THEN
            a.status := 'forbidden';
        END IF;
        -- Only for who may have it: what is hidden takes no longer than what does not exist.
        IF a.status = 'permit' THEN
            items := jsonb_build_array(vault.document_json(d, true));
            keys := ARRAY[d.key_parent || ':' || CASE d.key_parent WHEN 'case' THEN d.case_id ELSE cc.client END];
        END IF;
    ELSIF target IN ('my-self', 'my-cases', 'my-documents', 'my-consents', 'my-prohibitions', 'my-readers') THEN
        a.facts := vault.mine(t, target, a_case, a_document, about, page_size + 1, as_of);
        IF a.facts IS NOT NULL THEN
            a.status := 'permit'; a.basis := 'data-subject'; items := a.facts -> 'items';
            keys := ARRAY(SELECT jsonb_array_elements_text(a.facts -> 'keys'));
        END IF;
    ELSIF target IN ('my-exports', 'my-export') THEN
        IF vault.exports_for(t, t.client, as_of) THEN
            items := vault.exports_listed(t, about, after, page_size, as_of);
            a.facts := vault.export_outlook(t, as_of);
            IF target = 'my-exports' OR items IS NOT NULL THEN a.status := 'permit'; a.basis := 'data-subject'; END IF;
        END IF;
    ELSIF target = 'my-log' THEN
        a.facts := vault.my_log(t, a_case, about, as_of, page_size + 1);
        IF a.facts IS NOT NULL THEN
            a.status := 'permit'; a.basis := 'data-subject'; items := a.facts -> 'items';
        END IF;
    ELSIF target IN ('my-mandates', 'my-authorities', 'my-authority-register', 'authorities', 'authority-register') THEN
        SELECT x.permitted, x.items, x.keys INTO acting FROM vault.authority_listing(t, target, cc, after, page_size, as_of) x;
        IF acting.permitted THEN a.status := 'permit'; a.basis := NULL; a.reasons := '{}'; items := acting.items; keys := acting.keys; END IF;
    ELSIF target IN ('my-requests', 'my-request', 'requests', 'request', 'request-names', 'judges', 'request-exports', 'restrictions', 'desk-client', 'misfiled', 'damaged', 'differences') THEN
        a.facts := vault.request_list(t, target, about, as_of, page_size + 1);
        IF a.facts IS NOT NULL THEN
            a.status := 'permit'; a.basis := CASE WHEN target LIKE 'my-%' THEN 'data-subject' ELSE 'controller-duty' END;
            items := a.facts -> 'items'; keys := ARRAY(SELECT DISTINCT jsonb_array_elements_text(a.facts -> 'keys'));
        ELSIF target NOT LIKE 'my-%' AND t.actor <> 'records-officer' THEN
            a.status := 'forbidden'; a.reasons := '{recipient-not-covered}';
        END IF;
    ELSIF target = 'registered' THEN
        -- What changing a client's registered facts needs: those that stand, and the lookup key for the new ones.
        IF vault.coordinates(t, (about ->> 'client')::uuid, as_of) THEN
            items := jsonb_build_array(vault.registered_json((about ->> 'client')::uuid));
            a.status := 'permit'; keys := ARRAY['register:' || (about ->> 'client'), 'lookup:lookup'];
        END IF;
        a.facts := jsonb_build_object('client', about -> 'client');
    ELSIF NOT member OR cc.id IS NULL THEN
        NULL;  -- not a member, or no such case: both answer the same
    ELSIF target = 'case' THEN
        items := jsonb_build_array(vault.case_json(cc, t, as_of) || jsonb_build_object('members', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'agency', m.agency, 'role', m.role, 'from', m.from_day, 'until', m.until_day,
                'name', (SELECT g.name FROM vault.agency g WHERE g.id = m.agency),
                'ended_at', (SELECT vault.rfc3339(e.recorded_at) FROM vault.member_end e WHERE e.member = m.id)) ORDER BY m.id), '[]')
            FROM vault.member m WHERE m.case_id = cc.id)));
        a.status := 'permit'; keys := ARRAY['case:' || cc.id];
    ELSIF target = 'documents' THEN
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT doc.id, vault.document_json(doc, false) AS j FROM vault.document doc CROSS JOIN LATERAL vault.may_read(t, doc.id, as_of) v
            WHERE doc.case_id = cc.id AND doc.copy_of IS NULL AND doc.id > after AND (about ->> 'type' IS NULL OR doc.type = about ->> 'type')
              AND ((v.decision = 'permit' AND (doc.agency = t.agency OR EXISTS (SELECT FROM vault.filing f WHERE f.document = doc.id)))
                   OR (t.actor = 'system' AND doc.agency = t.agency AND vault.recorded_state(cc.id, as_of) IS DISTINCT FROM 'archived'))
            ORDER BY doc.id LIMIT page_size + 1) x;
        a.status := 'permit'; keys := ARRAY['case:' || cc.id, CASE WHEN items @> '[{"key_parent": "register"}]' THEN 'register:' || cc.client END];
    ELSIF target = 'consents' THEN
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT c.id, vault.consent_json(c, t, coordinator, as_of) AS j FROM vault.consent c
            WHERE c.case_id = cc.id AND c.id > after ORDER BY c.id LIMIT page_size + 1) x
        WHERE coordinator OR jsonb_array_length(x.j -> 'provisions') > 0;
        a.status := 'permit'; keys := ARRAY['register:' || cc.client];
    ELSIF NOT coordinator THEN
        a.status := 'forbidden'; a.reasons := '{recipient-not-covered}';
    ELSIF target = 'register' THEN
        -- What recording a consent needs: the register key, and the form that was filed.
        SELECT jsonb_agg(vault.document_json(doc, true)) INTO items FROM vault.document doc WHERE doc.id = a_document AND doc.case_id = cc.id AND doc.copy_of IS NULL;
        a.status := 'permit'; keys := ARRAY['register:' || cc.client];
    ELSIF target = 'log' THEN
        -- The client's own reads, and a representative's, are never shown to agencies or coordinators.
        items := vault.openings(ARRAY[cc.id], NULL, '{client,representative}', true, NULL, vault.day_begins((about ->> 'from')::date),
            vault.day_begins((about ->> 'until')::date + 1), (about ->> 'after')::uuid, coalesce((about ->> 'newest')::boolean, false), page_size + 1);
        a.status := 'permit';
    END IF;
    IF a.status = 'permit' AND act = 'list' THEN
        a.reasons := coalesce(CASE WHEN a.basis IS NOT NULL THEN ARRAY[a.basis] END, '{}');
        a.facts := coalesce(a.facts, '{}') || vault.page(items, page_size) || jsonb_build_object('keys', to_jsonb(array_remove(coalesce(keys, '{}'), NULL)), 'logged', target);
    ELSIF a.status = 'permit' THEN
        a.reasons := '{}';
    ELSE
        a.facts := jsonb_build_object('logged', coalesce(target, act), 'client', CASE target WHEN 'registered' THEN about -> 'client' END);
    END IF;
    RETURN a;
END
$listing$;
