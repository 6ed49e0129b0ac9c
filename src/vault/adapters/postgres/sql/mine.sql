-- What the client is shown of their own: everything that the vault holds of them, and nothing of anybody else (promise P9).
-- A representative is shown what their authority covers. Organisations, roles and purposes are shown, no person's name.
-- Source: design.md §3.3, §7; domain.md §7, §9.

CREATE OR REPLACE FUNCTION vault.party_json(an_agency text, a_unit text) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('agency', a.id, 'name', a.name, 'unit', u.id, 'unit_name', u.name)
    FROM vault.agency a LEFT JOIN vault.unit u ON u.id = a_unit WHERE a.id = an_agency);

-- Does the client's one press hold now?
CREATE OR REPLACE FUNCTION vault.is_paused(a_client uuid, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM vault.prohibition b WHERE b.client = a_client AND b.pause AND b.recorded_at <= as_of
    AND NOT EXISTS (SELECT FROM vault.prohibition_end x WHERE x.prohibition = b.id AND x.recorded_at <= as_of));

-- Consents of a guardian that have lapsed, or will, until the client confirms them.
CREATE OR REPLACE FUNCTION vault.can_confirm(c vault.consent, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN c.capacity = 'guardian' AND NOT EXISTS (SELECT FROM vault.consent_confirmation f WHERE f.consent = c.id)
    AND EXISTS (SELECT FROM vault.client_case cc JOIN vault.client cl ON cl.id = cc.client
        WHERE cc.id = c.case_id AND vault.helsinki_day(as_of) >= cl.adult_on);

-- ---------------------------------------------------------------- the person, their cases

CREATE OR REPLACE FUNCTION vault.my_self(t vault.token, cases uuid[], as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('client', cl.id,
        -- An authority for one case opens what was given for that case, and not what is registered of the person.
        'about', CASE WHEN vault.stands_for_client(t, cl.id, false, as_of) THEN vault.b64(a.sealed) END, 'language', a.language, 'interpreter', a.interpreter,
        'address_protected', a.address_protected, 'is_adult', vault.helsinki_day(as_of) >= cl.adult_on,
        'died_on', (SELECT d.died_on FROM vault.client_death d WHERE d.client = cl.id), 'registered_at', vault.rfc3339(cl.recorded_at),
        'cases', cardinality(cases), 'paused', vault.is_paused(cl.id, as_of),
        'lapsed', (SELECT count(*) FROM vault.consent c WHERE c.case_id = ANY (cases) AND vault.can_confirm(c, as_of)))
    FROM vault.client cl
    JOIN LATERAL (SELECT * FROM vault.client_about x WHERE x.client = cl.id ORDER BY x.n DESC LIMIT 1) a ON true
    WHERE cl.id = t.client);

CREATE OR REPLACE FUNCTION vault.my_member_json(m vault.member, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_object('party', vault.party_json(m.agency, NULL), 'role', m.role, 'from', m.from_day, 'until', m.until_day,
    'ended_at', (SELECT vault.rfc3339(x.recorded_at) FROM vault.member_end x WHERE x.member = m.id),
    'now', vault.helsinki_day(as_of) BETWEEN m.from_day AND coalesce(m.until_day, 'infinity')
        AND NOT EXISTS (SELECT FROM vault.member_end x WHERE x.member = m.id));

CREATE OR REPLACE FUNCTION vault.my_case_json(c vault.client_case, t vault.token, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('id', c.id, 'process', c.process, 'state', s.state, 'paused', vault.is_paused(c.client, as_of),
        'controller', vault.party_json(c.controller, NULL), 'language', c.language, 'interpreter', c.interpreter,
        'opened_at', vault.rfc3339(c.recorded_at),
        -- An archived case's key is gone, and what it sealed with it.
        'about', CASE WHEN s.state <> 'archived' THEN vault.b64(c.sealed_about) END,
        'sealed_references', (SELECT coalesce(jsonb_object_agg(r.agency, vault.b64(r.sealed)), '{}') FROM (
            SELECT DISTINCT ON (x.agency) x.agency, x.sealed FROM vault.case_reference x
            WHERE x.case_id = c.id AND s.state <> 'archived' ORDER BY x.agency, x.n DESC) r),
        'members', (SELECT coalesce(jsonb_agg(vault.my_member_json(m, as_of) ORDER BY m.id), '[]') FROM vault.member m WHERE m.case_id = c.id),
        'history', jsonb_build_array(jsonb_build_object('state', 'opened', 'at', vault.rfc3339(c.recorded_at)))
            || (SELECT coalesce(jsonb_agg(jsonb_build_object('state', h.state, 'at', vault.rfc3339(h.recorded_at)) ORDER BY h.n), '[]')
                FROM vault.case_state h WHERE h.case_id = c.id),
        'documents', p.documents, 'waiting', p.waiting,
        'consents', (SELECT count(DISTINCT y.consent) FROM vault.provisions_at(c.id, as_of) y WHERE y.faults = '{}'),
        'holds', (SELECT count(*) FROM vault.hold h WHERE h.case_id = c.id AND NOT EXISTS (SELECT FROM vault.hold_end x WHERE x.hold = h.id)),
        'archived', (SELECT jsonb_build_object('archive', w.archive, 'name', w.name, 'contact', w.contact, 'transfer', w.reference, 'archived_on', w.day,
            'retention_ends', w.retention_ends) FROM vault.archived_at(c.id) w),
        -- From its first day on the way until its keys are destroyed: there is still time to take a copy.
        'leaving', (SELECT jsonb_build_object('archive', w.archive, 'name', w.name, 'contact', w.contact, 'transfer', w.reference,
            'readable_until', CASE WHEN w.readable_until >= vault.helsinki_day(as_of) THEN w.readable_until END) FROM vault.leaving(c.id) w))
    FROM (SELECT vault.case_status(c.id, as_of) AS state) s,
        (SELECT count(*) AS documents, count(*) FILTER (WHERE (vault.for_client(d.id, as_of)).how = 'waiting') AS waiting
         FROM vault.document d WHERE d.case_id = c.id AND d.copy_of IS NULL AND vault.may_see_classes(t, d.protected_classes, as_of)
           AND NOT vault.is_misfiled(d.id, as_of) AND EXISTS (SELECT FROM vault.filing f WHERE f.document = d.id)) p);

DROP FUNCTION IF EXISTS vault.archived_json(uuid);

-- ---------------------------------------------------------------- documents

-- One paper as its client sees it; a title is shown only of what is open. Null for what is not theirs to know of: the wrong
-- person's paper, and one that has no content yet.
CREATE OR REPLACE FUNCTION vault.my_document_json(d vault.document, archived boolean, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT CASE WHEN v.how <> 'misfiled' THEN jsonb_build_object('id', d.id, 'case', d.case_id, 'type', d.type, 'state', s.state,
        'media_type', d.media_type, 'language', d.language, 'dated', d.dated, 'valid_until', d.valid_until,
        'filed_by', vault.party_json(d.agency, d.unit), 'source', vault.party_json(d.source, d.source_unit), 'series', d.series,
        'attachment_of', d.attachment_of, 'replaces', d.replaces, 'protected_classes', d.protected_classes, 'original', d.original,
        'retracted', EXISTS (SELECT FROM vault.document_mark k WHERE k.document = d.id AND k.mark = 'retracted'),
        'signed_form', d.key_parent = 'register', 'registered_at', vault.rfc3339(d.recorded_at), 'filed_at', vault.rfc3339(f.recorded_at),
        'size', f.size_bytes, 'answered_by', v.answered_by, 'requested', coalesce(v.requested, false),
        'provision', v.provision, 'withholding', v.withholding, 'copy', v.copy,
        'sealed_reason', (SELECT vault.b64(w.sealed_reason) FROM vault.withholding w WHERE w.id = v.withholding AND v.told AND v.how <> 'open'),
        'key', d.key_parent || ':' || CASE d.key_parent WHEN 'case' THEN d.case_id ELSE (SELECT c.client FROM vault.client_case c WHERE c.id = d.case_id) END,
        'about', CASE WHEN s.state = 'open' THEN vault.b64(d.sealed_about) END,
        'digest', CASE WHEN s.state = 'open' THEN vault.b64(f.sealed_digest) END) END
    FROM vault.filing f, vault.for_client(d.id, as_of) v,
        LATERAL (SELECT CASE WHEN archived AND d.key_parent = 'case' THEN 'archived' ELSE v.how END AS state) s
    WHERE f.document = d.id);

-- ---------------------------------------------------------------- consents and prohibitions

CREATE OR REPLACE FUNCTION vault.scope_parties_json(parties jsonb) RETURNS jsonb
LANGUAGE sql STABLE
RETURN CASE WHEN parties IS NOT NULL THEN (SELECT coalesce(jsonb_agg(jsonb_build_object('any', coalesce(p ->> 'any' = 'true', false),
        'party', vault.party_json(p ->> 'agency', p ->> 'unit'), 'role', p -> 'role', 'one_person', p ? 'professional') ORDER BY place), '[]')
    FROM jsonb_array_elements(parties) WITH ORDINALITY AS x (p, place)) END;

-- A representative is shown no clause that names a class which the authority does not name.
CREATE OR REPLACE FUNCTION vault.my_consent_json(c vault.consent, process text, t vault.token, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('id', c.id, 'case', c.case_id, 'process', process, 'form', c.form, 'signed_on', c.signed_on,
        'capacity', c.capacity, 'authority', c.authority, 'verified_how', c.verified_how, 'language', c.language, 'valid_from', c.valid_from,
        'valid_until', c.valid_until, 'replaces', c.replaces,
        'replaced_by', (SELECT y.id FROM vault.consent y WHERE y.replaces = c.id ORDER BY y.n LIMIT 1),
        'recorded_at', vault.rfc3339(c.recorded_at), 'about', vault.b64(c.sealed_about), 'can_confirm', vault.can_confirm(c, as_of),
        'in_force', EXISTS (SELECT FROM vault.provisions_at(c.case_id, as_of) p WHERE p.consent = c.id AND p.faults = '{}'),
        -- What every clause of it has.
        'faults', vault.in_order(ARRAY(SELECT f FROM vault.provisions_at(c.case_id, as_of) p CROSS JOIN LATERAL unnest(p.faults) f WHERE p.consent = c.id
            GROUP BY f HAVING count(*) = (SELECT count(*) FROM vault.provision y WHERE y.consent = c.id))),
        'provisions', (SELECT coalesce(jsonb_agg(jsonb_build_object('number', p.number, 'effect', p.effect,
                'recipients', vault.scope_parties_json(p.recipients), 'sources', vault.scope_parties_json(p.sources), 'documents', p.documents,
                'actions', p.actions, 'purposes', p.purposes, 'dated_from', p.dated_from, 'dated_until', p.dated_until,
                'protected_classes', p.protected_classes, 'future_documents', p.future_documents, 'in_force', p.faults = '{}', 'faults', p.faults,
                'withdrawn_at', (SELECT vault.rfc3339(min(w.recorded_at)) FROM vault.withdrawal w
                    WHERE w.consent = c.id AND (w.provisions IS NULL OR p.number = ANY (w.provisions)))) ORDER BY p.number), '[]')
            FROM vault.provisions_at(c.case_id, as_of) p WHERE p.consent = c.id AND vault.may_see_classes(t, coalesce(p.protected_classes, '{}'), as_of)),
        'history', (SELECT jsonb_agg(jsonb_build_object('what', h.what, 'at', vault.rfc3339(h.at), 'by', vault.party_json(e.agency, NULL), 'actor', e.actor,
                'provisions', h.provisions, 'given_at', vault.rfc3339(h.given_at), 'withdrawal', h.withdrawal, 'sealed_reason', vault.b64(h.reason),
                'consent', h.consent) ORDER BY h.at, h.what)
            FROM (SELECT 'recorded' AS what, c.recorded_at AS at, c.entry, NULL::integer[] AS provisions, NULL::timestamptz AS given_at,
                    NULL::uuid AS withdrawal, NULL::bytea AS reason, NULL::uuid AS consent
                UNION ALL SELECT 'withdrawn', w.recorded_at, w.entry, w.provisions, w.given_at, w.id, w.sealed_reason, NULL FROM vault.withdrawal w WHERE w.consent = c.id
                UNION ALL SELECT 'confirmed', f.recorded_at, f.entry, NULL, NULL, NULL, NULL, NULL FROM vault.consent_confirmation f WHERE f.consent = c.id
                UNION ALL SELECT 'superseded', y.recorded_at, y.entry, NULL, NULL, NULL, NULL, y.id FROM vault.consent y WHERE y.replaces = c.id) h
            LEFT JOIN vault.entry e ON e.id = h.entry)));

CREATE OR REPLACE FUNCTION vault.my_prohibition_json(b vault.prohibition, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('id', b.id, 'case', b.case_id, 'pause', b.pause, 'recorded_at', vault.rfc3339(b.recorded_at),
        'recipients', vault.scope_parties_json(b.recipients), 'sources', vault.scope_parties_json(b.sources), 'documents', b.documents,
        'actions', b.actions, 'purposes', b.purposes, 'dated_from', b.dated_from, 'dated_until', b.dated_until,
        'protected_classes', b.protected_classes, 'in_force', x.recorded_at IS NULL, 'ended_at', vault.rfc3339(x.recorded_at),
        'request', b.request, 'ends_from', CASE WHEN x.recorded_at IS NULL THEN (vault.restriction_told(b.request, as_of)).ends_from END)
    FROM (SELECT b.id) asked LEFT JOIN vault.prohibition_end x ON x.prohibition = asked.id);

-- ---------------------------------------------------------------- who can open my papers now

-- The last day on which a way in holds: the consent's (a guardian's ends before the 18th birthday), or the membership's; null
-- until further notice.
CREATE OR REPLACE FUNCTION vault.holds_until(a_case uuid, an_agency text, a_role text, a_consent uuid, as_of timestamptz) RETURNS date
LANGUAGE sql STABLE
RETURN least(
    (SELECT least(c.valid_until, CASE WHEN c.capacity = 'guardian' AND NOT EXISTS (SELECT FROM vault.consent_confirmation f WHERE f.consent = c.id)
            THEN (SELECT cl.adult_on - 1 FROM vault.client cl WHERE cl.id = cc.client) END)
     FROM vault.consent c JOIN vault.client_case cc ON cc.id = c.case_id WHERE c.id = a_consent),
    (SELECT nullif(max(coalesce(m.until_day, 'infinity')), 'infinity') FROM vault.member m
     WHERE m.case_id = a_case AND m.agency = an_agency AND (a_role IS NULL OR m.role = a_role) AND m.from_day <= vault.helsinki_day(as_of)
       AND NOT EXISTS (SELECT FROM vault.member_end x WHERE x.member = m.id)));

-- The readers of a case as rows for people. A representative is shown no class that the authority does not name.
CREATE OR REPLACE FUNCTION vault.my_readers_json(a_case uuid, t vault.token, with_documents boolean, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH way AS MATERIALIZED (
        SELECT w.* FROM vault.readers_of(a_case, as_of) w WHERE vault.may_see_classes(t, w.classes, as_of)
    ), told AS (
        SELECT w.agency, w.unit, w.role, w.one_person, jsonb_build_object('basis', w.basis, 'consent', w.consent, 'provision', w.provision,
            'purposes', w.purposes, 'protected_classes', w.classes, 'documents', CASE WHEN with_documents THEN to_jsonb(w.documents) ELSE '[]' END,
            'types', (SELECT jsonb_object_agg(y.type, y.n) FROM (SELECT d.type, count(*) AS n FROM vault.document d WHERE d.id = ANY (w.documents) GROUP BY d.type) y),
            'until', vault.holds_until(a_case, w.agency, w.role, w.consent, as_of)) AS way,
            w.basis <> 'own-document' AS b, (SELECT c.n FROM vault.consent c WHERE c.id = w.consent) AS n, w.provision, w.classes
        FROM way w
    )
    SELECT coalesce(jsonb_agg(r.j ORDER BY r.agency, r.role NULLS FIRST, r.unit NULLS FIRST, r.one_person NULLS FIRST), '[]')
    FROM (SELECT x.agency, x.role, x.unit, x.one_person, jsonb_build_object('case', a_case, 'party', vault.party_json(x.agency, x.unit), 'role', x.role,
            'one_person', x.one_person IS NOT NULL, 'ways', coalesce(jsonb_agg(x.way ORDER BY x.b, x.n, x.provision, x.classes, x.way ->> 'purposes')
                FILTER (WHERE x.way ->> 'basis' IS NOT NULL), '[]')) AS j
          FROM told x GROUP BY x.agency, x.role, x.unit, x.one_person) r;
END;

-- ---------------------------------------------------------------- the lists

-- The targets my-…: what a client, or who stands for one, is shown. Null hides: no such thing, or not theirs.
CREATE OR REPLACE FUNCTION vault.mine(t vault.token, target text, a_case uuid, a_document uuid, about jsonb, page_size integer, as_of timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $mine$
DECLARE
    cases uuid[] := vault.own_cases(t, as_of);
    after uuid := coalesce((about ->> 'after')::uuid, '00000000-0000-0000-0000-000000000000');
    one uuid := (about ->> 'one')::uuid;
    items jsonb;
    keys jsonb := '[]';
    more jsonb := '{}';
    hidden boolean;
BEGIN
    IF t.actor NOT IN ('client', 'representative') THEN RETURN NULL; END IF;
    -- A case that is not theirs, and none at all, run the same statements and answer alike.
    IF a_case IS NOT NULL THEN cases := ARRAY(SELECT c FROM unnest(cases) c WHERE c = a_case); END IF;
    hidden := a_case IS NOT NULL AND cases = '{}';
    CASE target
    WHEN 'my-self' THEN
        items := jsonb_build_array(vault.my_self(t, cases, as_of));
        keys := CASE WHEN items -> 0 ->> 'about' IS NOT NULL THEN jsonb_build_array('register:' || t.client) ELSE '[]' END;
    WHEN 'my-cases' THEN
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT c.id, vault.my_case_json(c, t, as_of) AS j FROM vault.client_case c
            WHERE c.id = ANY (cases) AND c.id > after ORDER BY c.id LIMIT page_size) x;
        keys := (SELECT coalesce(jsonb_agg('case:' || (i ->> 'id')), '[]') FROM jsonb_array_elements(items) i WHERE i ->> 'state' <> 'archived');
    WHEN 'my-documents' THEN
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT d.id, y.j FROM vault.document d
            CROSS JOIN LATERAL (SELECT vault.my_document_json(d, vault.recorded_state(d.case_id, as_of) = 'archived', as_of) AS j) y
            WHERE d.case_id = ANY (cases) AND d.id > after AND d.copy_of IS NULL AND (a_document IS NULL OR d.id = a_document)
              AND vault.may_see_classes(t, d.protected_classes, as_of) AND y.j IS NOT NULL
            ORDER BY d.id LIMIT page_size) x;
        hidden := hidden OR (a_document IS NOT NULL AND items IS NULL);
        keys := (SELECT coalesce(jsonb_agg(DISTINCT k), '[]') FROM jsonb_array_elements(items) i
            CROSS JOIN LATERAL (SELECT i ->> 'key' AS k WHERE i ->> 'about' IS NOT NULL
                UNION SELECT 'register:' || t.client WHERE i ->> 'sealed_reason' IS NOT NULL) y);
    WHEN 'my-consents' THEN
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT c.id, vault.my_consent_json(c, cc.process, t, as_of) AS j FROM vault.consent c JOIN vault.client_case cc ON cc.id = c.case_id
            WHERE c.case_id = ANY (cases) AND c.id > after AND (one IS NULL OR c.id = one) ORDER BY c.id LIMIT page_size) x;
        hidden := hidden OR (one IS NOT NULL AND items IS NULL);
        keys := CASE WHEN items IS NOT NULL THEN jsonb_build_array('register:' || t.client) ELSE '[]' END;
    WHEN 'my-prohibitions' THEN
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT b.id, vault.my_prohibition_json(b, as_of) AS j FROM vault.prohibition b
            WHERE b.client = t.client AND b.id > after AND (b.case_id IS NULL OR b.case_id = ANY (cases)) AND (one IS NULL OR b.id = one)
              AND vault.may_see_classes(t, coalesce(b.protected_classes, '{}'), as_of)
            ORDER BY b.id LIMIT page_size) x;
        hidden := hidden OR (one IS NOT NULL AND items IS NULL);
        more := jsonb_build_object('paused', vault.is_paused(t.client, as_of));
    WHEN 'my-readers' THEN
        more := jsonb_build_object('at', vault.rfc3339(as_of), 'paused', vault.is_paused(t.client, as_of),
            'readers', (SELECT coalesce(jsonb_agg(r.j ORDER BY x.c, r.place), '[]') FROM unnest(cases) x (c)
                CROSS JOIN LATERAL jsonb_array_elements(vault.my_readers_json(x.c, t, coalesce((about ->> 'documents')::boolean, true), as_of)) WITH ORDINALITY AS r (j, place)),
            'members', (SELECT coalesce(jsonb_agg(vault.my_member_json(m, as_of) || jsonb_build_object('case', m.case_id) ORDER BY m.id), '[]') FROM vault.member m
                WHERE m.case_id = ANY (cases) AND vault.is_member(m.case_id, m.agency, m.role, as_of)),
            'papers', (SELECT count(*) FROM vault.document d WHERE d.case_id = ANY (cases) AND d.copy_of IS NULL AND vault.may_see_classes(t, d.protected_classes, as_of)
                AND EXISTS (SELECT FROM vault.filing f WHERE f.document = d.id)),
            'restrictions', (SELECT coalesce(jsonb_agg(vault.my_prohibition_json(b, as_of) ORDER BY b.id), '[]') FROM vault.prohibition b
                WHERE b.request IS NOT NULL AND b.case_id = ANY (cases)
                  AND NOT EXISTS (SELECT FROM vault.prohibition_end x WHERE x.prohibition = b.id)));
    END CASE;
    IF hidden THEN RETURN NULL; END IF;
    RETURN more || jsonb_build_object('items', coalesce(items, '[]'), 'keys', coalesce(keys, '[]'));
END
$mine$;
