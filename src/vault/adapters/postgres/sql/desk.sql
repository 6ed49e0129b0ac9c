-- What a client is shown of their requests, and a records officer of those that the officer's agency answers.
-- Texts and names go out sealed; the keys that open them are named beside, and only take hands them out.

-- Whether this asker may see entries about the client that are older than two years: FI 703/2023 §11 asks for a special
-- reason, so a records officer has said yes to a request for them.
CREATE OR REPLACE FUNCTION vault.may_see_older(t vault.token, a_client uuid, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN vault.stands_for_client(t, a_client, false, as_of) AND EXISTS (SELECT FROM vault.request r
    WHERE r.client = a_client AND r.kind = 'log-older' AND (vault.request_at(r.id, as_of)).state IN ('answered', 'partly-refused'));

-- The entries that a request for names is about: other people's, about this client, in this controller's cases, in its days.
CREATE OR REPLACE FUNCTION vault.entries_asked(r vault.request) RETURNS SETOF vault.entry
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT e.* FROM vault.client_case c JOIN vault.entry e ON e.case_id = c.id
    WHERE c.client = r.client AND c.controller = r.controller AND (r.case_id IS NULL OR c.id = r.case_id)
      AND e.professional IS NOT NULL AND e.act <> 'outcome'
      AND (r.about_entry IS NULL OR e.id = r.about_entry)
      AND e.at >= coalesce(vault.day_begins(r.first_day), '-infinity') AND e.at < coalesce(vault.day_begins(r.last_day + 1), 'infinity');
END;

-- In which roles a professional may judge whether somebody's health is at stake, now; empty for anybody else.
CREATE OR REPLACE FUNCTION vault.judging_roles(a_professional uuid) RETURNS text[]
LANGUAGE sql STABLE
RETURN ARRAY(SELECT DISTINCT x.role FROM vault.professional_role x WHERE x.professional = a_professional AND x.role IN ('physician', 'nurse', 'social-worker')
    AND NOT EXISTS (SELECT FROM vault.professional_role_end y WHERE y.role_row = x.n) ORDER BY x.role);

-- In which role somebody has judged it; told also when they have it no more.
CREATE OR REPLACE FUNCTION vault.judged_as(a_professional uuid) RETURNS text
LANGUAGE sql STABLE
RETURN (SELECT min(x.role) FROM vault.professional_role x WHERE x.professional = a_professional AND x.role IN ('physician', 'nurse', 'social-worker'));

-- How a request stands, for everyone who may know of it.
CREATE OR REPLACE FUNCTION vault.request_json(r vault.request, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('id', r.id, 'kind', r.kind, 'client', r.client, 'controller', r.controller, 'case', r.case_id, 'document', r.document,
        'entry', r.about_entry, 'ground', r.ground, 'language', r.language, 'received_how', r.received_how, 'received_on', r.received_on, 'from', r.first_day,
        'until', r.last_day, 'recorded_at', vault.rfc3339(r.recorded_at), 'state', s.state, 'due_on', s.due_on, 'identified_how', s.identified_how,
        'running', vault.is_running(s.state), 'extendable', k.extension IS NOT NULL AND vault.is_running(s.state)
            AND NOT EXISTS (SELECT FROM vault.request_state x WHERE x.request = r.id AND x.state = 'extended')
            AND vault.helsinki_day(as_of) <= s.due_on,
        'clock', k.source, 'controller_name', (SELECT a.name FROM vault.agency a WHERE a.id = r.controller))
    FROM vault.request_at(r.id, as_of) s JOIN vault.request_kind k ON k.kind = r.kind);

-- That an export was handed over at a desk: how, when and to whom.
CREATE OR REPLACE FUNCTION vault.handover_json(an_export uuid) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('how', h.how, 'on', h.handed_on, 'identified_how', h.identified_how, 'at', vault.rfc3339(h.recorded_at))
    FROM vault.export_handover h WHERE h.export = an_export);

-- The same with its texts, sealed, and all that was done for it; the client gets no reason that may not be told.
CREATE OR REPLACE FUNCTION vault.request_whole(r vault.request, to_client boolean, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN vault.request_json(r, as_of) || jsonb_build_object('text', vault.b64(r.sealed_text), 'restriction', vault.restriction_json(r.id, as_of),
    -- What an explanation is asked for, as the client's log shows it: no person's name.
    'opening', (SELECT jsonb_build_object('at', vault.rfc3339(e.at), 'party', vault.party_json(e.agency, e.unit), 'role', e.role, 'purpose', e.purpose,
            'type', e.document_type) FROM vault.entry e WHERE e.id = r.about_entry),
    'states', (SELECT jsonb_agg(jsonb_build_object('state', s.state, 'at', vault.rfc3339(s.recorded_at), 'due_on', s.due_on, 'provision', s.provision,
            'told', s.told, 'decided_by_role', vault.judged_as(s.decided_by), 'text', vault.b64(s.sealed_text), 'reason', CASE WHEN s.told OR NOT to_client THEN vault.b64(s.sealed_reason) END) ORDER BY s.n)
        FROM vault.request_state s WHERE s.request = r.id AND s.recorded_at <= as_of),
    'looks', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'document', l.document, 'at', vault.rfc3339(l.recorded_at), 'entry', l.entry,
            'reason', vault.b64(l.sealed_reason)) ORDER BY l.recorded_at), '[]')
        FROM vault.request_look l WHERE l.request = r.id),
    'withholdings', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'document', w.document, 'how', w.how, 'pages', w.pages, 'copy', w.copy,
            'provision', w.provision, 'told', w.told, 'at', vault.rfc3339(w.recorded_at), 'reason', CASE WHEN w.told OR NOT to_client THEN vault.b64(w.sealed_reason) END,
            'decided_by_role', vault.judged_as(w.decided_by)) ORDER BY w.n), '[]')
        FROM vault.withholding w WHERE w.request = r.id),
    'fee', (SELECT jsonb_build_object('id', f.id, 'cents', f.cents, 'at', vault.rfc3339(f.recorded_at), 'reason', vault.b64(f.sealed_reason),
            'accepted', (SELECT x.accepted FROM vault.fee_answer x WHERE x.fee = f.id)) FROM vault.fee f WHERE f.request = r.id),
    'handed', (SELECT vault.handover_json(h.export) FROM vault.export x JOIN vault.export_handover h ON h.export = x.id WHERE x.request = r.id),
    'names', (SELECT coalesce(jsonb_agg(jsonb_build_object('professional', p.id, 'agency', p.agency, 'agency_name', (SELECT a.name FROM vault.agency a WHERE a.id = p.agency), 'subject', p.subject, 'name', vault.b64(p.sealed_name),
            'roles', (SELECT coalesce(jsonb_agg(DISTINCT e.role), '[]') FROM vault.entries_asked(r) e WHERE e.professional = p.id)) ORDER BY p.agency, p.id), '[]')
        FROM vault.request_name n JOIN vault.professional p ON p.id = n.professional WHERE n.request = r.id));

-- The papers that a request is about, each as it stands for the client, with the reason that may be told, whichever request it
-- was decided for; a shredded case has none.
CREATE OR REPLACE FUNCTION vault.request_documents(r vault.request, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT coalesce(jsonb_agg(vault.document_json(d, false) || jsonb_build_object('stands', to_jsonb(v), 'told_reason', CASE WHEN v.told THEN
            (SELECT vault.b64(w.sealed_reason) FROM vault.withholding w WHERE w.id = v.withholding) END,
        'filed_by_name', (SELECT a.name FROM vault.agency a WHERE a.id = d.agency)) ORDER BY d.id), '[]')
    FROM vault.client_case c JOIN vault.document d ON d.case_id = c.id JOIN vault.filing f ON f.document = d.id
        CROSS JOIN LATERAL vault.for_client(d.id, as_of) v
    WHERE r.kind IN ('export-review', 'self-access', 'correction', 'restriction') AND c.client = r.client AND c.controller = r.controller
      AND (r.case_id IS NULL OR c.id = r.case_id) AND (r.document IS NULL OR d.id = r.document) AND d.copy_of IS NULL
      -- Of an archived case the signed forms are left, and nothing to restrict.
      AND (d.key_parent = 'register' AND r.kind <> 'restriction' OR vault.recorded_state(c.id, as_of) IS DISTINCT FROM 'archived')
      AND NOT vault.is_misfiled(d.id, as_of));

-- Who lawfully opened a document before it was found to be misfiled: what a breach report must tell.
CREATE OR REPLACE FUNCTION vault.opened_meanwhile(a_document uuid) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('entry', e.id, 'at', vault.rfc3339(e.at), 'actor', e.actor, 'agency', e.agency, 'unit', e.unit,
        'agency_name', (SELECT a.name FROM vault.agency a WHERE a.id = e.agency), 'role', e.role, 'purpose', e.purpose, 'subject', (SELECT p.subject FROM vault.professional p WHERE p.id = e.professional),
        'name', (SELECT vault.b64(p.sealed_name) FROM vault.professional p WHERE p.id = e.professional),
        'outcome', o.outcome, 'bytes', o.bytes) ORDER BY e.id), '[]')
    FROM vault.entry e LEFT JOIN vault.entry o ON o.document = e.document AND o.act = 'outcome' AND o.of_entry = e.id
    WHERE e.document = a_document AND e.act = 'open' AND e.decision = 'permit' AND e.confirmation IS DISTINCT FROM '{asked-to-confirm}');

CREATE OR REPLACE FUNCTION vault.misfiled_json(a_case uuid, a_document uuid) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('id', d.id, 'case', d.case_id, 'type', d.type, 'filed_by', d.agency, 'source', coalesce(d.source_unit, d.source),
        'filed_by_party', vault.party_json(d.agency, d.unit), 'source_party', vault.party_json(d.source, d.source_unit),
        'process', c.process, 'case_opened_at', vault.rfc3339(c.recorded_at),
        'dated', d.dated, 'registered_at', vault.rfc3339(d.recorded_at), 'told_at', vault.rfc3339(k.recorded_at),
        'decision', x.decision, 'decided_at', vault.rfc3339(x.recorded_at), 'opened', vault.opened_meanwhile(d.id))
    FROM vault.document d JOIN vault.client_case c ON c.id = d.case_id JOIN vault.document_mark k ON k.document = d.id AND k.mark = 'misfiled'
    LEFT JOIN vault.misfiled_decision x ON x.document = d.id WHERE d.id = a_document AND d.case_id = a_case);

-- The lists of requests and of the desk. Null: there is nothing here for this asker.
CREATE OR REPLACE FUNCTION vault.request_list(t vault.token, target text, about jsonb, as_of timestamptz, at_most integer) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $list$
DECLARE
    after uuid := coalesce((about ->> 'after')::uuid, '00000000-0000-0000-0000-000000000000');
    r vault.request;
    items jsonb;
    keys jsonb;
    whose uuid;
BEGIN
    IF target IN ('my-requests', 'my-request') THEN
        IF NOT vault.stands_for_client(t, t.client, false, as_of) THEN RETURN NULL; END IF;
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT q.id, CASE target WHEN 'my-request' THEN vault.request_whole(q, true, as_of) ELSE vault.request_json(q, as_of) END AS j
            FROM vault.request q WHERE q.client = t.client AND q.id > after AND (target = 'my-requests' OR q.id = (about ->> 'request')::uuid)
            ORDER BY q.id LIMIT at_most) x;
        IF target = 'my-request' AND items IS NULL THEN RETURN NULL; END IF;
        RETURN jsonb_build_object('items', coalesce(items, '[]'), 'keys', jsonb_build_array('register:' || t.client), 'client', t.client);
    END IF;
    IF t.actor <> 'records-officer' THEN RETURN NULL; END IF;
    IF target = 'request-exports' THEN RETURN vault.request_exports(t, (about ->> 'request')::uuid, as_of); END IF;
    IF target = 'requests' THEN
        -- The queue: what runs, the most urgent first; or what was answered, the newest first.
        SELECT jsonb_agg(x.j ORDER BY x.place), jsonb_agg('register:' || x.client) INTO items, keys FROM (
            SELECT q.client, vault.request_json(q, as_of) || jsonb_build_object('registered', vault.registered_json(q.client)) AS j,
                row_number() OVER (ORDER BY CASE WHEN vault.is_running(s.state) THEN s.due_on END, CASE WHEN NOT vault.is_running(s.state) THEN s.recorded_at END DESC, q.id) AS place
            FROM vault.request q CROSS JOIN LATERAL vault.request_at(q.id, as_of) s
            WHERE q.controller = t.agency AND vault.is_running(s.state) = coalesce((about ->> 'running')::boolean, true)
            ORDER BY place LIMIT at_most) x;
    ELSIF target = 'restrictions' THEN
        SELECT jsonb_agg(x.j ORDER BY x.id), jsonb_agg('register:' || x.client) INTO items, keys FROM (
            SELECT q.id, q.client, vault.request_json(q, as_of) || jsonb_build_object('registered', vault.registered_json(q.client), 'restriction', y.j) AS j
            FROM vault.request q CROSS JOIN LATERAL (SELECT vault.restriction_json(q.id, as_of) AS j) y
            WHERE q.controller = t.agency AND q.kind = 'restriction' AND q.id > after AND y.j IS NOT NULL AND y.j ->> 'ended_at' IS NULL
            ORDER BY q.id LIMIT at_most) x;
    ELSIF target = 'judges' THEN
        -- Who of the controller's own could judge for this request: opened for it alone, while it runs. Where there are more than a
        -- page of them, those who have worked in the person's cases come first.
        SELECT * INTO r FROM vault.request q WHERE q.id = (about ->> 'request')::uuid AND q.controller = t.agency;
        IF r.id IS NULL OR NOT vault.is_running((vault.request_at(r.id, as_of)).state) THEN RETURN NULL; END IF;
        whose := r.client;
        items := (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'agency', x.agency, 'subject', x.subject, 'name', vault.b64(x.sealed_name),
                'roles', to_jsonb(x.roles)) ORDER BY x.place), '[]')
            FROM (SELECT p.*, y.roles, row_number() OVER (ORDER BY p.id IN (SELECT e.professional FROM vault.client_case c
                        JOIN vault.entry e ON e.case_id = c.id AND e.professional IS NOT NULL WHERE c.client = r.client AND c.controller = r.controller) DESC, p.id) AS place
                FROM vault.professional p CROSS JOIN LATERAL (SELECT vault.judging_roles(p.id) AS roles) y
                WHERE p.agency = t.agency AND y.roles <> '{}' ORDER BY place LIMIT at_most) x);
    ELSIF target IN ('request', 'request-names') THEN
        SELECT * INTO r FROM vault.request q WHERE q.id = (about ->> 'request')::uuid AND q.controller = t.agency;
        IF r.id IS NULL THEN RETURN NULL; END IF;
        whose := r.client; keys := jsonb_build_array('register:' || r.client);
        IF target = 'request' THEN
            items := jsonb_build_array(vault.request_whole(r, false, as_of) || jsonb_build_object('documents', vault.request_documents(r, as_of),
                'registered', vault.registered_json(r.client), 'processes', (SELECT coalesce(jsonb_agg(DISTINCT c.process), '[]') FROM vault.client_case c
                    WHERE c.client = r.client AND c.controller = r.controller AND (r.case_id IS NULL OR c.id = r.case_id))));
            keys := keys || (SELECT coalesce(jsonb_agg(DISTINCT CASE j ->> 'key_parent' WHEN 'case' THEN 'case:' || (j ->> 'case') END), '[]')
                FROM jsonb_array_elements(items -> 0 -> 'documents') j);
        ELSE
            IF r.kind <> 'log-names' OR NOT vault.is_running((vault.request_at(r.id, as_of)).state) THEN RETURN NULL; END IF;
            SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.id, 'agency', x.agency, 'agency_name', (SELECT a.name FROM vault.agency a WHERE a.id = x.agency), 'subject', x.subject, 'name', vault.b64(x.sealed_name), 'roles', x.roles,
                'times', x.times, 'first_at', vault.rfc3339(x.first_at), 'last_at', vault.rfc3339(x.last_at)) ORDER BY x.id), '[]') INTO items
            FROM (SELECT p.id, p.agency, p.subject, p.sealed_name, jsonb_agg(DISTINCT e.role) AS roles, count(*) AS times, min(e.at) AS first_at, max(e.at) AS last_at
                FROM vault.entries_asked(r) e JOIN vault.professional p ON p.id = e.professional WHERE p.id > after
                GROUP BY p.id ORDER BY p.id LIMIT at_most) x;
        END IF;
    ELSIF target = 'desk-client' THEN
        whose := coalesce(vault.client_known_by(decode(about ->> 'code_mac', 'hex')), (about ->> 'client')::uuid, (SELECT c.client FROM vault.client_case c WHERE c.id = (about ->> 'case')::uuid));
        IF NOT vault.answers_for(t, whose) THEN whose := NULL; END IF;
        items := CASE WHEN whose IS NULL THEN '[]' ELSE jsonb_build_array(jsonb_build_object('id', whose, 'registered', vault.registered_json(whose),
            'cases', (SELECT jsonb_agg(jsonb_build_object('id', c.id, 'process', c.process, 'state', vault.case_status(c.id, as_of),
                'opened_at', vault.rfc3339(c.recorded_at)) ORDER BY c.id) FROM vault.client_case c WHERE c.client = whose AND c.controller = t.agency))) END;
        keys := CASE WHEN whose IS NULL THEN '[]' ELSE jsonb_build_array('register:' || whose) END;
    ELSIF target = 'misfiled' THEN
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT d.id, vault.misfiled_json(c.id, d.id) AS j
            FROM vault.document_mark k JOIN vault.document d ON d.id = k.document JOIN vault.client_case c ON c.id = d.case_id
            WHERE k.mark = 'misfiled' AND c.controller = t.agency AND d.id > after AND (about ->> 'document' IS NULL OR d.id = (about ->> 'document')::uuid)
              AND (about ->> 'document' IS NOT NULL OR NOT EXISTS (SELECT FROM vault.misfiled_decision x WHERE x.document = d.id))
            ORDER BY d.id LIMIT at_most) x;
        IF about ->> 'document' IS NOT NULL AND items IS NULL THEN RETURN NULL; END IF;
    ELSIF target = 'damaged' THEN
        -- What an export could not read and none since has.
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT d.id, jsonb_build_object('id', d.id, 'case', d.case_id, 'type', d.type, 'filed_by', d.agency, 'source', coalesce(d.source_unit, d.source),
                'filed_by_party', vault.party_json(d.agency, d.unit), 'source_party', vault.party_json(d.source, d.source_unit),
                'process', c.process, 'case_opened_at', vault.rfc3339(c.recorded_at),
                'dated', d.dated, 'registered_at', vault.rfc3339(d.recorded_at), 'found_at', vault.rfc3339(max(g.recorded_at)), 'exports', count(*)) AS j
            FROM vault.export_damage g JOIN vault.document d ON d.id = g.document JOIN vault.client_case c ON c.id = d.case_id
            WHERE c.controller = t.agency AND d.id > after
              AND NOT EXISTS (SELECT FROM vault.export_paper i WHERE i.document = d.id AND i.export > g.export)
            GROUP BY d.id, c.id ORDER BY d.id LIMIT at_most) x;
    ELSIF target = 'differences' THEN
        SELECT jsonb_agg(x.j ORDER BY x.id), jsonb_agg('register:' || x.client) || coalesce(jsonb_agg('case:' || x.open_case) FILTER (WHERE x.open_case IS NOT NULL), '[]')
        INTO items, keys FROM (
            SELECT f.id, f.client, CASE WHEN vault.recorded_state(c.id, as_of) IS DISTINCT FROM 'archived' THEN c.id END AS open_case,
                jsonb_build_object('id', f.id, 'client', f.client, 'case', f.case_id, 'fields', f.fields, 'recorded_at', vault.rfc3339(f.recorded_at),
                    'registered', vault.registered_json(f.client), 'former', (SELECT vault.b64(a.sealed) FROM vault.client_about a
                        WHERE a.client = f.client AND a.code_mac = f.former_mac AND a.code_taken ORDER BY a.n DESC LIMIT 1),
                    'given', CASE WHEN vault.recorded_state(c.id, as_of) IS DISTINCT FROM 'archived' THEN vault.b64(c.sealed_about) END) AS j
            FROM vault.difference f JOIN vault.client_case c ON c.id = f.case_id
            WHERE c.controller = t.agency AND f.id > after AND (about ->> 'difference' IS NULL OR f.id = (about ->> 'difference')::uuid)
              AND NOT EXISTS (SELECT FROM vault.difference_end x WHERE x.difference = f.id)
            ORDER BY f.id LIMIT at_most) x;
        IF about ->> 'difference' IS NOT NULL AND items IS NULL THEN RETURN NULL; END IF;
    END IF;
    RETURN jsonb_build_object('items', coalesce(items, '[]'), 'keys', coalesce(keys, '[]')) || jsonb_strip_nulls(jsonb_build_object('client', whose));
END
$list$;
