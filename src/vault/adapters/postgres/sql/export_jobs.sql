-- The worker's side of exports: taken up, collected, made, expired; and a records officer's two decisions.
-- A job is taken up only for an export that its client ordered in a logged act; the door looks at that again.

-- Is this asker the worker that is at this export now?
CREATE OR REPLACE FUNCTION vault.is_collecting(t vault.token, x vault.export) RETURNS boolean
LANGUAGE sql STABLE
RETURN coalesce(t.actor = 'worker' AND 'export' = ANY (t.acts) AND t.client IS NOT DISTINCT FROM x.client
    AND (vault.export_at(x.id)).state = 'collecting'
    AND EXISTS (SELECT FROM vault.export_claim k WHERE k.export = x.id AND k.secret_sha256 = t.secret_sha256), false);

-- The same, on an order that its client gave, or a records officer on the client's own request; that request still stands.
CREATE OR REPLACE FUNCTION vault.may_collect(t vault.token, x vault.export) RETURNS boolean
LANGUAGE sql STABLE
RETURN vault.is_collecting(t, x) AND vault.export_grounded(x, vault.clock())
    AND EXISTS (SELECT FROM vault.entry e WHERE e.id = x.entry AND e.act = 'export-order' AND e.decision = 'permit' AND e.client IS NOT DISTINCT FROM x.client
        AND CASE WHEN x.request IS NULL THEN e.actor IN ('client', 'representative') ELSE e.actor = 'records-officer' END);

-- Take up one export: a job is recorded under a new secret, which is told once; the one before it, if any, is at an end.
CREATE OR REPLACE FUNCTION vault.export_take_up() RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $take$
DECLARE
    now timestamptz := vault.clock();
    x vault.export;
    e vault.entry;
    secret bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
BEGIN
    IF NOT pg_try_advisory_xact_lock(7021008) THEN RETURN NULL; END IF;
    SELECT y.* INTO x FROM vault.export_claim k JOIN vault.export y ON y.id = k.export WHERE k.until <= now ORDER BY y.id LIMIT 1;
    IF x.id IS NULL THEN RETURN NULL; END IF;
    INSERT INTO vault.token_end (secret_sha256, recorded_at)
    SELECT k.secret_sha256, now FROM vault.export_claim c JOIN vault.token k ON k.secret_sha256 = c.secret_sha256 WHERE c.export = x.id ON CONFLICT DO NOTHING;
    INSERT INTO vault.token (secret_sha256, actor, client, acts, issued_at, expires_at)
    VALUES (sha256(secret), 'worker', x.client, '{export}', now, now + interval '12 hours');
    UPDATE vault.export_claim k SET secret_sha256 = sha256(secret), until = now + interval '2 minutes', documents = 0, bytes = 0 WHERE k.export = x.id;
    e.id := vault.uuid7(now); e.at := now; e.act := 'export-collect'; e.actor := 'worker'; e.client := x.client; e.facts := x.id::text;
    e.decision := 'permit'; e.reasons := '{}';
    IF (vault.export_step(x.id, 'collect', NULL, e.id, now)).state IS NULL THEN RETURN NULL; END IF;
    PERFORM vault.write_entry(e);
    RETURN jsonb_build_object('export', x.id, 'secret', encode(secret, 'hex'), 'tries', (SELECT count(*) FROM vault.export_state s WHERE s.export = x.id AND s.event = 'collect'));
END
$take$;

-- Still at it, and how far: false when another worker has taken it up, or the client has removed it.
CREATE OR REPLACE FUNCTION vault.export_keep(secret bytea, an_export uuid, a_wait interval, some_documents integer, some_bytes bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $keep$
BEGIN
    UPDATE vault.export_claim k SET until = vault.clock() + least(a_wait, interval '1 hour'), documents = some_documents, bytes = some_bytes
    WHERE k.export = an_export AND k.secret_sha256 = sha256(secret);
    RETURN FOUND;
END
$keep$;

-- One case with everything about it but its papers, consents and entries.
CREATE OR REPLACE FUNCTION vault.export_case(c vault.client_case, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_object('id', c.id, 'process', c.process, 'controller', c.controller, 'state', vault.case_status(c.id, as_of),
    'language', c.language, 'interpreter', c.interpreter, 'opened_at', vault.rfc3339(c.recorded_at), 'closed_at', vault.rfc3339(vault.closed_at(c.id)),
    'retention_ends', (vault.helsinki_day(vault.closed_at(c.id)) + make_interval(years => vault.retention_years(c.process)))::date,
    -- An archived case's key is gone, and with it what was said of the client, the references and the reasons.
    'about', CASE WHEN vault.recorded_state(c.id, as_of) IS DISTINCT FROM 'archived' THEN vault.b64(c.sealed_about) END,
    'references', (SELECT coalesce(jsonb_agg(jsonb_build_object('agency', r.agency, 'sealed', vault.b64(r.sealed)) ORDER BY r.agency), '[]')
        FROM vault.case_reference r WHERE r.case_id = c.id AND vault.recorded_state(c.id, as_of) IS DISTINCT FROM 'archived'
          AND r.n = (SELECT max(q.n) FROM vault.case_reference q WHERE q.case_id = r.case_id AND q.agency = r.agency)),
    'members', (SELECT coalesce(jsonb_agg(jsonb_build_object('agency', m.agency, 'role', m.role, 'from', m.from_day, 'until', m.until_day,
            'ended_at', (SELECT vault.rfc3339(n.recorded_at) FROM vault.member_end n WHERE n.member = m.id)) ORDER BY m.id), '[]')
        FROM vault.member m WHERE m.case_id = c.id),
    'history', (SELECT coalesce(jsonb_agg(jsonb_build_object('state', s.state, 'at', vault.rfc3339(s.recorded_at),
            'reason', CASE WHEN vault.recorded_state(c.id, as_of) IS DISTINCT FROM 'archived' THEN vault.b64(s.sealed_reason) END) ORDER BY s.n), '[]')
        FROM vault.case_state s WHERE s.case_id = c.id),
    'sign_offs', (SELECT coalesce(jsonb_agg(jsonb_build_object('agency', s.agency, 'at', vault.rfc3339(s.recorded_at), 'final_assessment', s.final_assessment,
            'reason', CASE WHEN vault.recorded_state(c.id, as_of) IS DISTINCT FROM 'archived' THEN vault.b64(s.sealed_reason) END) ORDER BY s.recorded_at), '[]')
        FROM vault.sign_off s WHERE s.case_id = c.id),
    'holds', (SELECT coalesce(jsonb_agg(jsonb_build_object('recorded_at', vault.rfc3339(h.recorded_at),
            'reason', CASE WHEN vault.recorded_state(c.id, as_of) IS DISTINCT FROM 'archived' THEN vault.b64(h.sealed_reason) END,
            'ended_at', (SELECT vault.rfc3339(n.recorded_at) FROM vault.hold_end n WHERE n.hold = h.id)) ORDER BY h.id), '[]')
        FROM vault.hold h WHERE h.case_id = c.id),
    'transfers', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', y.id, 'archive', r.id, 'name', r.name, 'state', (vault.transfer_at(y.id)).state,
            'history', (SELECT jsonb_agg(jsonb_build_object('state', s.state, 'at', vault.rfc3339(s.recorded_at)) ORDER BY s.n)
                FROM vault.transfer_state s WHERE s.transfer = y.id)) ORDER BY y.id), '[]')
        FROM vault.transfer y JOIN vault.archive r ON r.n = y.archive WHERE y.case_id = c.id));

-- May this asker be told of that document? Everybody of none; a representative not of a class that the authority does not name.
CREATE OR REPLACE FUNCTION vault.export_shows(t vault.token, a_document uuid, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN t.actor = 'client' OR a_document IS NULL
    OR coalesce((SELECT vault.may_see_classes(t, d.protected_classes, as_of) FROM vault.document d WHERE d.id = a_document), true);

-- What is registered of a person, and was before.
CREATE OR REPLACE FUNCTION vault.export_person(a_client uuid) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_agg(jsonb_build_object('sealed', vault.b64(a.sealed), 'language', a.language, 'interpreter', a.interpreter,
            'address_protected', a.address_protected, 'recorded_at', vault.rfc3339(a.recorded_at)) ORDER BY a.n DESC) -> 0
        || jsonb_build_object('earlier', coalesce(jsonb_agg(jsonb_build_object('sealed', vault.b64(a.sealed), 'language', a.language, 'interpreter', a.interpreter,
            'address_protected', a.address_protected, 'recorded_at', vault.rfc3339(a.recorded_at)) ORDER BY a.n DESC) - 0, '[]'),
        'registered_at', (SELECT vault.rfc3339(c.recorded_at) FROM vault.client c WHERE c.id = a_client),
        'died_on', (SELECT k.died_on FROM vault.client_death k WHERE k.client = a_client),
        'codes', (SELECT coalesce(jsonb_agg(vault.rfc3339(k.recorded_at) ORDER BY k.recorded_at), '[]') FROM vault.client_code k WHERE k.client = a_client),
        'identities', (SELECT coalesce(jsonb_agg(vault.rfc3339(i.recorded_at) ORDER BY i.recorded_at), '[]') FROM vault.client_identity i WHERE i.client = a_client))
    FROM vault.client_about a WHERE a.client = a_client);

-- One paper: what is shown of it, why, and who opened it.
CREATE OR REPLACE FUNCTION vault.export_paper_json(d vault.document, how text, view vault.client_view) RETURNS jsonb
LANGUAGE sql STABLE
RETURN CASE WHEN how IN ('open', 'large') THEN vault.document_json(d, true) ELSE vault.document_json(d, false) - 'about'::text END
    || jsonb_build_object('how', how, 'answered_by', view.answered_by, 'provision', view.provision, 'copy', view.copy, 'copy_of', d.copy_of,
        'withholding', view.withholding, 'withheld_reason', CASE WHEN view.told THEN
            (SELECT vault.b64(w.sealed_reason) FROM vault.withholding w WHERE w.id = view.withholding) END,
        'pages', (SELECT w.pages FROM vault.withholding w WHERE w.id = view.withholding),
        'object', CASE WHEN how = 'open' THEN (SELECT f.object FROM vault.filing f WHERE f.document = d.id) END,
        'marks', (SELECT coalesce(jsonb_agg(jsonb_build_object('state', k.mark, 'at', vault.rfc3339(k.recorded_at)) ORDER BY k.recorded_at), '[]')
            FROM vault.document_mark k WHERE k.document = d.id),
        'read_by', (SELECT coalesce(jsonb_agg(r.j ORDER BY r.first), '[]') FROM (
            SELECT min(e.at) AS first, jsonb_build_object('agency', e.agency, 'unit', e.unit, 'role', e.role, 'purpose', e.purpose, 'basis', e.basis,
                'consent', e.consent, 'provision', e.provision, 'first', vault.rfc3339(min(e.at)), 'last', vault.rfc3339(max(e.at)), 'times', count(*)) AS j
            FROM vault.entry e WHERE e.document = d.id AND e.act = 'open' AND e.decision = 'permit' AND e.agency IS NOT NULL
            GROUP BY e.agency, e.unit, e.role, e.purpose, e.basis, e.consent, e.provision) r));

-- One consent with all that happened to it; a clause that names a protected class which an authority does not name is left out.
CREATE OR REPLACE FUNCTION vault.export_consent(k vault.consent, t vault.token, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT j.c || jsonb_build_object('authority', k.authority,
        'provisions', (SELECT coalesce(jsonb_agg(p ORDER BY p -> 'number'), '[]') FROM jsonb_array_elements(j.c -> 'provisions') p
            WHERE vault.may_see_classes(t, ARRAY(SELECT jsonb_array_elements_text(coalesce(nullif(p -> 'protected_classes', 'null'), '[]'))), as_of)),
        'withdrawals', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', w.id, 'provisions', w.provisions, 'given_at', vault.rfc3339(w.given_at),
                'recorded_at', vault.rfc3339(w.recorded_at), 'reason', vault.b64(w.sealed_reason),
                'recorded_by', (SELECT e.agency FROM vault.entry e WHERE e.id = w.entry)) ORDER BY w.id), '[]')
            FROM vault.withdrawal w WHERE w.consent = k.id),
        'confirmed_at', (SELECT vault.rfc3339(f.recorded_at) FROM vault.consent_confirmation f WHERE f.consent = k.id),
        'replaced_by', (SELECT min(r.id::text) FROM vault.consent r WHERE r.replaces = k.id))
    FROM (SELECT vault.consent_json(k, NULL, true, as_of) AS c) j);

-- One request with its texts, its decisions, and what was asked of an archive for it and how that answered.
CREATE OR REPLACE FUNCTION vault.export_request(r vault.request, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN vault.request_whole(r, true, as_of) || jsonb_build_object('at_archive', (
    SELECT coalesce(jsonb_agg(vault.archive_request_json(q) || jsonb_build_object('name', a.name) ORDER BY q.id), '[]')
    FROM vault.archive_request q JOIN vault.transfer x ON x.id = q.transfer JOIN vault.archive a ON a.n = x.archive WHERE q.of_request = r.id));

-- All that is kept about a client and that this export covers, but for the papers' bytes and the entries: what is sealed stays
-- sealed here. An authority for one case covers that case; only one for all covers what is kept of the person as a whole.
CREATE OR REPLACE FUNCTION vault.export_facts(x vault.export, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH one AS MATERIALIZED (
        SELECT t, vault.own_cases(t, as_of) AS cases, vault.covers_all(t, as_of) AS in_all, t.agency AS desk FROM vault.export_asker(x) t
    ), paper AS MATERIALIZED (
        SELECT p.document, p.how, p.view FROM one, vault.export_papers(one.t, x.without_large, as_of) p
    )
    SELECT jsonb_build_object('export', x.id, 'client', x.client, 'authority', x.authority, 'in_all', one.in_all, 'language', x.language,
        'without_large', x.without_large, 'ordered_at', vault.rfc3339(x.recorded_at), 'as_of', vault.rfc3339(as_of), 'clock', vault.export_clock(x),
        'desk', one.desk, 'request', x.request,
        'about', CASE WHEN one.in_all THEN vault.export_person(x.client) END,
        'cases', (SELECT coalesce(jsonb_agg(vault.export_case(c, as_of) ORDER BY c.id), '[]') FROM vault.client_case c WHERE c.id = ANY (one.cases)),
        'papers', (SELECT coalesce(jsonb_agg(vault.export_paper_json(d, p.how, p.view) ORDER BY d.id), '[]') FROM paper p JOIN vault.document d ON d.id = p.document),
        'consents', (SELECT coalesce(jsonb_agg(vault.export_consent(k, one.t, as_of) ORDER BY k.n), '[]') FROM vault.consent k WHERE k.case_id = ANY (one.cases)),
        'prohibitions', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', b.id, 'case', b.case_id, 'pause', b.pause, 'recipients', b.recipients, 'sources', b.sources,
                'documents', b.documents, 'actions', b.actions, 'purposes', b.purposes, 'dated_from', b.dated_from, 'dated_until', b.dated_until,
                'protected_classes', b.protected_classes, 'request', b.request, 'recorded_at', vault.rfc3339(b.recorded_at),
                'ended_at', (SELECT vault.rfc3339(n.recorded_at) FROM vault.prohibition_end n WHERE n.prohibition = b.id)) ORDER BY b.id), '[]')
            FROM vault.prohibition b WHERE b.client = x.client AND (b.case_id IS NULL OR b.case_id = ANY (one.cases))
              AND vault.may_see_classes(one.t, coalesce(b.protected_classes, '{}'), as_of)),
        'notices', (SELECT coalesce(jsonb_agg(jsonb_build_object('agency', n.agency, 'kind', n.kind, 'case', n.case_id, 'consent', n.consent,
                'document', n.document, 'recorded_at', vault.rfc3339(n.recorded_at),
                'acknowledged_at', (SELECT vault.rfc3339(k.recorded_at) FROM vault.notice_ack k WHERE k.notice = n.id)) ORDER BY n.id), '[]')
            FROM vault.notice n WHERE n.case_id = ANY (one.cases) AND vault.export_shows(one.t, n.document, as_of)),
        'differences', (SELECT coalesce(jsonb_agg(jsonb_build_object('case', f.case_id, 'fields', f.fields, 'recorded_at', vault.rfc3339(f.recorded_at),
                'outcome', n.outcome, 'decided_at', vault.rfc3339(n.recorded_at)) ORDER BY f.id), '[]')
            FROM vault.difference f LEFT JOIN vault.difference_end n ON n.difference = f.id WHERE f.client = x.client AND f.case_id = ANY (one.cases)),
        'requests', (SELECT coalesce(jsonb_agg(vault.export_request(r, as_of) ORDER BY r.id), '[]') FROM vault.request r
            WHERE r.client = x.client AND (one.in_all OR r.case_id = ANY (one.cases)) AND coalesce(r.controller = one.desk, true)
              AND vault.export_shows(one.t, r.document, as_of)),
        'authorities', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', y.id, 'kind', y.kind, 'scope', y.scope, 'case', y.case_id,
                'protected_classes', y.protected_classes, 'from', y.from_day, 'until', y.until_day, 'given_by_client', y.given_by_client,
                'about', vault.b64(y.sealed_about), 'recorded_at', vault.rfc3339(y.recorded_at),
                'ended_at', (SELECT vault.rfc3339(n.recorded_at) FROM vault.authority_end n WHERE n.authority = y.id),
                'bars', (SELECT coalesce(jsonb_agg(jsonb_build_object('state', CASE WHEN b.barred THEN 'barred' ELSE 'let-in' END, 'at', vault.rfc3339(b.recorded_at)) ORDER BY b.n), '[]')
                    FROM vault.authority_bar b WHERE b.authority = y.id)) ORDER BY y.id), '[]')
            FROM vault.authority y WHERE y.client = x.client AND (x.authority IS NULL OR y.id = x.authority)
              AND (one.desk IS NULL OR y.case_id IS NULL OR y.case_id = ANY (one.cases))),
        'exports', (SELECT coalesce(jsonb_agg(vault.export_json(y) - 'progress' ORDER BY y.id), '[]') FROM vault.export y
            WHERE y.client = x.client AND (x.authority IS NULL OR y.authority = x.authority) AND (one.desk IS NULL OR EXISTS (
                SELECT FROM vault.request r WHERE r.id = y.request AND r.controller = one.desk))),
        'agencies', (SELECT coalesce(jsonb_object_agg(a.id, a.name), '{}') FROM vault.agency a),
        'units', (SELECT coalesce(jsonb_object_agg(u.id, u.name), '{}') FROM vault.unit u),
        'keyless', x.client IS NULL,
        'keys', (SELECT coalesce(jsonb_agg(k), '[]') FROM (
            SELECT 'register:' || x.client AS k WHERE x.client IS NOT NULL
            UNION ALL SELECT 'case:' || c FROM unnest(one.cases) c
            UNION ALL SELECT 'document:' || p.document FROM paper p WHERE p.how = 'open') keys)) FROM one;
END;

-- A representative does not see the client's own reads; what a desk does not: vault.told_at_desk.
CREATE OR REPLACE FUNCTION vault.export_hides(x vault.export) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN x.authority IS NULL THEN '{}'::text[] ELSE '{client}' END;

-- The openings of a client up to an instant, page by page; after is the first entry's id of the last one of the page before.
CREATE OR REPLACE FUNCTION vault.export_openings(secret bytea, an_export uuid, as_of timestamptz, after uuid, page_size integer) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $openings$
DECLARE
    t vault.token := vault.asker(secret, vault.clock());
    x vault.export;
    who vault.token;
BEGIN
    SELECT * INTO x FROM vault.export y WHERE y.id = an_export;
    IF x.client IS NULL OR NOT vault.may_collect(t, x) THEN RETURN '[]'; END IF;
    who := vault.export_asker(x);
    RETURN vault.openings(vault.own_cases(who, as_of), CASE WHEN vault.covers_all(who, as_of) THEN x.client END,
        vault.export_hides(x), true, (SELECT a.protected_classes FROM vault.authority a WHERE a.id = x.authority), NULL,
        as_of + interval '1 millisecond', after, false, page_size, who.agency);
END
$openings$;

-- The entries about a client up to an instant, page by page, each with its digests and with the disclosures of what the client
-- is shown: everything but which professional, under which assertion (design.md §7).
CREATE OR REPLACE FUNCTION vault.export_entries(secret bytea, an_export uuid, as_of timestamptz, after uuid, page_size integer) RETURNS SETOF jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $entries$
DECLARE
    t vault.token := vault.asker(secret, vault.clock());
    x vault.export;
    who vault.token;
    cases uuid[];
    whose uuid;
    hidden text[] := '{}';
BEGIN
    SELECT * INTO x FROM vault.export y WHERE y.id = an_export;
    IF x.client IS NULL OR NOT vault.may_collect(t, x) THEN RETURN; END IF;
    who := vault.export_asker(x);
    cases := vault.own_cases(who, as_of);
    hidden := vault.export_hides(x);
    whose := CASE WHEN vault.covers_all(who, as_of) THEN x.client END;
    RETURN QUERY
    SELECT vault.entry_json(e) || jsonb_strip_nulls(jsonb_build_object('case', e.case_id, 'source', e.source))
        || jsonb_build_object('leaf', encode(e.leaf, 'hex'), 'index', (SELECT p.leaf_index FROM vault.entry_position p WHERE p.entry = e.id),
        'digests', (SELECT jsonb_agg(vault.base64url(substring(c.bytes FROM i FOR 32)) ORDER BY i) FROM generate_series(1, length(c.bytes), 32) i),
        'disclosures', CASE WHEN e.salts IS NULL THEN '[]' ELSE (
            SELECT jsonb_agg(vault.base64url(convert_to('["' || vault.base64url(substring(e.salts FROM (f.place::integer - 1) * 16 + 1 FOR 16))
                || '","' || f.name || '",' || f.value || ']', 'UTF8')) ORDER BY f.place)
            FROM vault.entry_fields(e) f
            WHERE f.name NOT IN ('professional', 'application', 'assertion') OR e.actor IN ('client', 'representative', 'worker')) END)
    FROM (SELECT * FROM (SELECT * FROM vault.entry y WHERE y.case_id = ANY (cases) AND y.id > after AND y.at <= as_of
              AND NOT y.actor = ANY (hidden) AND vault.export_shows(who, y.document, as_of)
              AND (who.agency IS NULL OR vault.told_at_desk(y, who.agency)) ORDER BY y.id LIMIT page_size) of_cases
          UNION ALL SELECT * FROM (SELECT * FROM vault.entry y WHERE y.case_id IS NULL AND y.client = whose AND y.id > after AND y.at <= as_of
              AND coalesce(y.agency = who.agency, true) AND NOT y.actor = ANY (hidden)
              AND (who.agency IS NULL OR vault.told_at_desk(y, who.agency)) ORDER BY y.id LIMIT page_size) of_none
          ORDER BY id LIMIT page_size) e
    CROSS JOIN LATERAL (SELECT CASE WHEN e.salts IS NULL THEN e.commitments ELSE vault.entry_commitments(e) END AS bytes) c
    ORDER BY e.id;
END
$entries$;

-- The package is durable: the row, its key, what it holds, and which papers could not be read. Refused when a paper inside has
-- closed to the client meanwhile.
CREATE OR REPLACE FUNCTION vault.export_made(secret bytea, an_export uuid, an_object text, a_size bigint, a_digest bytea, a_key vault.key_row, made jsonb) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    x vault.export;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    SELECT * INTO x FROM vault.export y WHERE y.id = an_export;
    e := vault.entry_of(t, 'export-make', now);
    e.facts := x.id::text;
    PERFORM vault.move('export:' || an_export);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now; e.bytes := a_size;
    IF NOT vault.may_collect(t, x) THEN RETURN vault.conclude(e, 'hidden', '{}', NULL); END IF;
    PERFORM FROM vault.attempt a WHERE a.object = an_object AND a.export = an_export FOR UPDATE;
    IF NOT FOUND OR EXISTS (SELECT FROM vault.attempt_end y WHERE y.object = an_object) THEN RETURN vault.conclude(e, 'given-up', NULL, NULL); END IF;
    INSERT INTO vault.export_paper (export, document) SELECT an_export, j::uuid FROM jsonb_array_elements_text(made -> 'papers') j;
    IF vault.export_outdated(x, now) THEN
        DELETE FROM vault.export_paper i WHERE i.export = an_export;
        RETURN vault.conclude(e, 'export-changed', NULL, NULL);
    END IF;
    INSERT INTO vault.export_damage (export, document, recorded_at) SELECT an_export, j::uuid, now FROM jsonb_array_elements_text(made -> 'damaged') j;
    INSERT INTO vault.export_package (export, object, size_bytes, sealed_digest, documents, partial, expires_at, entry, recorded_at)
    VALUES (an_export, an_object, a_size, a_digest, jsonb_array_length(made -> 'papers'), (made ->> 'partial')::boolean,
        now + make_interval(days => least(greatest((made ->> 'keep_days')::integer, 1), 60)), e.id, now);
    PERFORM vault.store_keys(ARRAY[a_key], now);
    PERFORM vault.export_step(an_export, 'make', NULL, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

CREATE OR REPLACE FUNCTION vault.export_failed(secret bytea, an_export uuid, a_reason text) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    x vault.export;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    SELECT * INTO x FROM vault.export y WHERE y.id = an_export;
    e := vault.entry_of(t, 'export-fail', now);
    e.facts := x.id::text;
    -- What nobody may collect any more is at an end as well.
    IF NOT vault.is_collecting(t, x) OR a_reason !~ '^[a-z-]{1,40}$' THEN RETURN vault.conclude(e, 'hidden', '{}', NULL); END IF;
    PERFORM vault.export_step(an_export, 'fail', a_reason, e.id, now);
    PERFORM vault.export_close(an_export, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- May the newer of these two packages take the place of the older? Those of one client, for the same receiver, from the same desk or none.
CREATE OR REPLACE FUNCTION vault.replaces_export(newer vault.export, older vault.export) RETURNS boolean
LANGUAGE sql STABLE
RETURN newer.client = older.client AND (newer.recorded_at, newer.id) > (older.recorded_at, older.id)
    AND newer.authority IS NOT DISTINCT FROM older.authority AND (newer.request IS NULL) = (older.request IS NULL)
    AND (newer.request IS NULL OR (SELECT r.controller FROM vault.request r WHERE r.id = newer.request) = (SELECT r.controller FROM vault.request r WHERE r.id = older.request));

-- What is past its last day, and all but the three newest packages of those that take each other's place, is closed. Logged; how many.
CREATE OR REPLACE FUNCTION vault.exports_expire() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $expire$
DECLARE
    now timestamptz := vault.clock();
    one record;
    e vault.entry;
    closed bigint := 0;
BEGIN
    FOR one IN
        SELECT p.export, x.client FROM vault.export_package p JOIN vault.export x ON x.id = p.export
        WHERE EXISTS (SELECT FROM vault.wrapped_key k WHERE k.kind = 'export' AND k.subject = p.export::text)
          AND (p.expires_at <= now OR (SELECT count(*) FROM vault.export y JOIN vault.export_package q ON q.export = y.id
                WHERE y.client = x.client AND vault.replaces_export(y, x) AND (vault.export_at(y.id)).state IN ('ready', 'delivered')) >= 3)
    LOOP
        e := NULL;
        e.id := vault.uuid7(now); e.at := now; e.act := 'export-expire'; e.actor := 'worker'; e.client := one.client; e.facts := one.export::text;
        e.decision := 'permit'; e.reasons := '{}';
        CONTINUE WHEN (vault.export_step(one.export, 'expire', NULL, e.id, now)).state IS NULL;
        PERFORM vault.export_close(one.export, now);
        PERFORM vault.write_entry(e);
        closed := closed + 1;
    END LOOP;
    RETURN closed;
END
$expire$;

-- The store's objects of exports that are gone or were never finished; and that these are gone from it.
CREATE OR REPLACE FUNCTION vault.export_objects(removed text[]) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $objects$
BEGIN
    INSERT INTO vault.object_end (object, recorded_at)
    SELECT a.object, vault.clock() FROM vault.attempt a JOIN vault.attempt_end x ON x.object = a.object
    WHERE a.export IS NOT NULL AND a.object = ANY (removed) ON CONFLICT DO NOTHING;
    RETURN QUERY SELECT a.object FROM vault.attempt a JOIN vault.attempt_end x ON x.object = a.object
    WHERE a.export IS NOT NULL AND NOT EXISTS (SELECT FROM vault.object_end o WHERE o.object = a.object) LIMIT 1000;
END
$objects$;
