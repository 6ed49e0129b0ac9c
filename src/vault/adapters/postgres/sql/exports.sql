-- The client's own export: ordered, shown, fetched, removed. The table of states is that of rules/self_access.py.
-- Source: promise P9; design.md §3.3, §7; GDPR Art. 12, 15; domain.md §9.

CREATE OR REPLACE FUNCTION vault.export_next(a_state text, an_event text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('{
    "received": {"collect": "collecting", "fail": "failed", "remove": "removed"},
    "collecting": {"collect": "collecting", "make": "ready", "fail": "failed", "remove": "removed"},
    "ready": {"fetch": "delivered", "expire": "expired", "remove": "removed"},
    "delivered": {"fetch": "delivered", "expire": "expired", "remove": "removed", "hand": "handed"},
    "expired": {"expire": "expired", "remove": "removed", "hand": "handed"},
    "handed": {"hand": "handed"},
    "failed": {"fail": "failed", "remove": "removed"},
    "removed": {"remove": "removed"}}'::jsonb -> a_state ->> an_event);

CREATE OR REPLACE FUNCTION vault.export_at(an_export uuid) RETURNS vault.export_state
LANGUAGE sql STABLE
RETURN (SELECT s FROM vault.export_state s WHERE s.export = an_export ORDER BY s.n DESC LIMIT 1);

-- Take one event: the new row, or null when the event cannot happen in this state. Only collecting is begun again as news.
CREATE OR REPLACE FUNCTION vault.export_step(an_export uuid, an_event text, a_reason text, an_entry uuid, as_of timestamptz) RETURNS vault.export_state
LANGUAGE plpgsql VOLATILE
AS $step$
DECLARE
    before vault.export_state;
    after vault.export_state;
BEGIN
    -- Two ends of downloads at once: one after the other.
    PERFORM vault.move('export:' || an_export);
    before := vault.export_at(an_export);
    after := (an_export, before.n + 1, an_event, vault.export_next(before.state, an_event), a_reason, an_entry, as_of);
    IF after.state IS NULL THEN RETURN NULL; END IF;
    IF after.state = before.state AND an_event <> 'collect' THEN RETURN before; END IF;
    INSERT INTO vault.export_state SELECT after.*;
    IF after.state <> 'collecting' THEN DELETE FROM vault.export_claim k WHERE k.export = an_export; END IF;
    RETURN after;
END
$step$;

-- May this asker order and have exports about that person? The client; and a representative whose authority lets them act, in one
-- case or all: the package holds what the authority covers and no more.
CREATE OR REPLACE FUNCTION vault.exports_for(t vault.token, a_client uuid, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN coalesce(t.client IS NOT DISTINCT FROM a_client AND (t.actor = 'client' OR (t.actor = 'representative' AND EXISTS (
    SELECT FROM vault.authority a WHERE a.id = t.authority AND a.client = a_client AND a.scope = 'act' AND vault.authority_holds(a, as_of)))), false);

-- Whose export is it? Who ordered it, the client or under which authority; the answer to a person of whom nothing is kept belongs to the session that asked.
CREATE OR REPLACE FUNCTION vault.owns_export(t vault.token, x vault.export, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN coalesce(vault.exports_for(t, x.client, as_of) AND x.authority IS NOT DISTINCT FROM t.authority
    AND (x.client IS NOT NULL OR x.session = t.secret_sha256), false);

-- For whom it is, as the functions of standing.sql know them: what they may see now decides what is in the package. One that is
-- handed over at a desk covers what that agency answers for, and no more than was asked for.
CREATE OR REPLACE FUNCTION vault.export_asker(x vault.export) RETURNS vault.token
LANGUAGE sql STABLE
RETURN (SELECT jsonb_populate_record(NULL::vault.token, jsonb_build_object('client', x.client, 'authority', x.authority,
        'actor', CASE WHEN x.authority IS NULL THEN 'client' ELSE 'representative' END, 'agency', r.controller, 'case_id', r.case_id))
    FROM (SELECT x.request AS id) asked LEFT JOIN vault.request r ON r.id = asked.id);

-- The exports of this client; of somebody of whom nothing is kept, the session's own. Each branch goes by an index.
CREATE OR REPLACE FUNCTION vault.exports_of(t vault.token) RETURNS SETOF vault.export
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT x.* FROM vault.export x WHERE x.client = t.client
    UNION ALL
    SELECT x.* FROM vault.export x WHERE t.client IS NULL AND x.client IS NULL AND x.session = t.secret_sha256;
END;

-- Is the person as a whole covered, and not only one case?
CREATE OR REPLACE FUNCTION vault.covers_all(t vault.token, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN t.case_id IS NULL AND vault.stands_for_client(t, t.client, false, as_of);

-- Every paper that this asker may know of and what an export does with it: open, waiting, withheld, pages-withheld, misfiled
-- (vault.for_client), archived, or large (left out at their wish). Of the client's copies only the one that is open.
CREATE OR REPLACE FUNCTION vault.export_papers(t vault.token, no_large boolean, as_of timestamptz)
RETURNS TABLE (document uuid, how text, view vault.client_view, size_bytes bigint)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH own AS MATERIALIZED (
        SELECT c.id, vault.recorded_state(c.id, as_of) IS NOT DISTINCT FROM 'archived' AS archived FROM unnest(vault.own_cases(t, as_of)) c (id)
    ), paper AS MATERIALIZED (
        -- vault.for_client is asked only where it may come to another answer than open: there may be thousands of papers.
        SELECT d.id, d.copy_of, d.key_parent, own.archived, f.size_bytes,
            CASE WHEN d.copy_of IS NOT NULL OR d.third_persons OR d.check_before_client
                OR EXISTS (SELECT FROM vault.document_mark k WHERE k.document = d.id AND k.mark = 'misfiled')
                OR EXISTS (SELECT FROM vault.withholding w WHERE w.document = d.id)
                THEN vault.for_client(d.id, as_of) ELSE ROW('open', NULL, NULL, NULL, NULL, NULL, NULL)::vault.client_view END AS v
        FROM own JOIN vault.document d ON d.case_id = own.id JOIN vault.filing f ON f.document = d.id
        WHERE d.recorded_at <= as_of AND (t.actor = 'client' OR vault.may_see_classes(t, d.protected_classes, as_of))
    )
    SELECT p.id, CASE WHEN (p.v).how = 'open' AND p.key_parent = 'case' AND p.archived THEN 'archived'
            WHEN (p.v).how = 'open' AND no_large AND p.size_bytes > 10485760 THEN 'large' ELSE (p.v).how END,
        p.v, p.size_bytes
    FROM paper p WHERE p.copy_of IS NULL OR (p.v).how = 'open';
END;

-- The versions of everything that a download rests on, as one number that only grows: the client's, each case's, the export's own.
CREATE OR REPLACE FUNCTION vault.export_n(a_client uuid, an_export uuid) RETURNS bigint
LANGUAGE sql STABLE
RETURN (SELECT coalesce(sum(v.n), 0)::bigint FROM vault.fact_version v WHERE v.scope = ANY (ARRAY(
    SELECT 'client:' || a_client UNION ALL SELECT 'export:' || an_export UNION ALL SELECT 'case:' || c.id FROM vault.client_case c WHERE c.client = a_client)));

-- Has a paper inside closed since to who ordered it: another person's, withheld, or with more pages withheld?
CREATE OR REPLACE FUNCTION vault.export_outdated(x vault.export, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT i.document FROM vault.export_paper i WHERE i.export = x.id
    EXCEPT SELECT p.document FROM vault.export_papers(vault.export_asker(x), false, as_of) p WHERE p.how IN ('open', 'archived'));

-- An order's clock is that of a request for one's own records.
CREATE OR REPLACE FUNCTION vault.export_clock(x vault.export) RETURNS jsonb
LANGUAGE sql STABLE
RETURN coalesce((SELECT jsonb_build_object('received', r.received_on, 'due', (vault.request_at(r.id, 'infinity')).due_on) FROM vault.request r WHERE r.id = x.request),
    (SELECT jsonb_build_object('received', d.day, 'due', vault.due_day('self-access', d.day, false)) FROM (SELECT vault.helsinki_day(x.recorded_at) AS day) d));

CREATE OR REPLACE FUNCTION vault.export_json(x vault.export) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('id', x.id, 'state', s.state, 'reason', s.reason, 'language', x.language, 'without_large', x.without_large,
        'ordered_at', vault.rfc3339(x.recorded_at), 'clock', vault.export_clock(x), 'documents', x.documents, 'size', x.size_bytes,
        'progress', (SELECT jsonb_build_object('documents', k.documents, 'bytes', k.bytes) FROM vault.export_claim k WHERE k.export = x.id),
        'package', (SELECT jsonb_build_object('size', p.size_bytes, 'documents', p.documents, 'partial', p.partial,
                'ready_at', vault.rfc3339(p.recorded_at), 'expires_at', vault.rfc3339(p.expires_at))
            FROM vault.export_package p WHERE p.export = x.id),
        'delivered_at', (SELECT vault.rfc3339(min(d.recorded_at)) FROM vault.export_state d WHERE d.export = x.id AND d.event = 'fetch'),
        -- What was asked of archives with orders, and how they answered: a package holds nothing that an archive has.
        'at_archive', (SELECT coalesce(jsonb_agg(vault.archive_request_json(q) || jsonb_build_object('name', a.name) ORDER BY q.id), '[]')
            FROM vault.request r JOIN vault.archive_request q ON q.of_request = r.id JOIN vault.transfer y ON y.id = q.transfer JOIN vault.archive a ON a.n = y.archive
            WHERE r.client = x.client AND (CASE WHEN x.request IS NULL THEN r.kind = 'export-review' ELSE r.kind IN ('export-review', 'self-access')
                    AND y.case_id = ANY (vault.own_cases(vault.export_asker(x), vault.clock())) END)
                AND (x.authority IS NULL OR EXISTS (SELECT FROM vault.authority z WHERE z.id = x.authority AND coalesce(z.case_id = y.case_id, true)))),
        'desk', (SELECT jsonb_build_object('request', r.id, 'agency', a.id, 'name', a.name) FROM vault.request r JOIN vault.agency a ON a.id = r.controller WHERE r.id = x.request),
        'handed', vault.handover_json(x.id),
        'history', (SELECT jsonb_agg(jsonb_build_object('state', h.state, 'at', vault.rfc3339(h.recorded_at)) ORDER BY h.n)
            FROM vault.export_state h WHERE h.export = x.id))
    FROM vault.export_at(x.id) s);

-- The lists my-exports and my-export, and how large an export of this moment would be.
CREATE OR REPLACE FUNCTION vault.exports_listed(t vault.token, about jsonb, after uuid, page_size integer, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_agg(y.j ORDER BY y.id) FROM (
    SELECT x.id, vault.export_json(x) AS j FROM vault.exports_of(t) x
    WHERE x.id > after AND vault.owns_export(t, x, as_of) AND (vault.export_at(x.id)).state <> 'removed'
      AND (about ->> 'export' IS NULL OR x.id = (about ->> 'export')::uuid)
    ORDER BY x.id LIMIT page_size + 1) y);

CREATE OR REPLACE FUNCTION vault.export_outlook(t vault.token, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_object('estimate', (SELECT jsonb_build_object('documents', count(*) FILTER (WHERE p.how = 'open'),
            'bytes', coalesce(sum(p.size_bytes) FILTER (WHERE p.how = 'open'), 0)) FROM vault.export_papers(t, false, as_of) p),
    'without_large', (SELECT jsonb_build_object('documents', count(*) FILTER (WHERE p.how = 'open'),
            'bytes', coalesce(sum(p.size_bytes) FILTER (WHERE p.how = 'open'), 0)) FROM vault.export_papers(t, true, as_of) p));

-- ---------------------------------------------------------------- the client's acts

-- What waits for a check, and what an archive has, is asked for with the order: one running request for each controller (for
-- each case, under an authority for one), with its own clock at the records officer's desk and at the archive.
CREATE OR REPLACE FUNCTION vault.export_reviews(t vault.token, x vault.export, an_entry uuid, as_of timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $reviews$
DECLARE
    in_all boolean := vault.stands_for_client(t, x.client, true, as_of);
    due date := vault.due_day('export-review', vault.helsinki_day(as_of), false);
    one record;
    r vault.request;
BEGIN
    FOR one IN SELECT c.controller, CASE WHEN NOT in_all THEN c.id END AS case_id
        FROM vault.client_case c WHERE c.id = ANY (vault.own_cases(t, as_of)) AND (vault.recorded_state(c.id, as_of) = 'archived'
            OR EXISTS (SELECT FROM vault.document d WHERE d.case_id = c.id AND (d.third_persons OR d.check_before_client) AND (vault.for_client(d.id, as_of)).how = 'waiting'
                AND vault.may_see_classes(t, d.protected_classes, as_of) AND EXISTS (SELECT FROM vault.filing f WHERE f.document = d.id)))
        GROUP BY 1, 2 ORDER BY 1, 2
    LOOP
        SELECT * INTO r FROM vault.request y WHERE y.client = x.client AND y.controller = one.controller AND y.kind = 'export-review'
            AND (y.case_id IS NULL OR y.case_id = one.case_id) AND y.document IS NULL AND vault.is_running((vault.request_at(y.id, as_of)).state)
            ORDER BY y.id LIMIT 1;
        IF r.id IS NULL THEN
            PERFORM vault.move_cases(x.client, one.case_id);
            r.id := vault.uuid7(as_of);
            INSERT INTO vault.request (id, kind, client, controller, case_id, language, received_how, received_on, entry, recorded_at)
            VALUES (r.id, 'export-review', x.client, one.controller, one.case_id, x.language, 'own-pages', vault.helsinki_day(as_of), an_entry, as_of);
            PERFORM vault.request_put(r.id, 'received', due, NULL, NULL, NULL, t, an_entry, as_of);
            PERFORM vault.request_put(r.id, 'identified', due, '{"identified_how": "strong-identification"}', NULL, NULL, t, an_entry, as_of);
        END IF;
        PERFORM vault.request_route(r.id, (vault.request_at(r.id, as_of)).due_on, an_entry, as_of);
    END LOOP;
END
$reviews$;

-- Order an export. While one is under way, that one is the answer.
CREATE OR REPLACE FUNCTION vault.export_order(secret bytea, an_export uuid, a_language text, no_large boolean) RETURNS vault.done
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
    e := vault.entry_of(t, 'export-order', now);
    IF NOT vault.exports_for(t, t.client, now) THEN RETURN vault.conclude(e, 'forbidden', '{recipient-not-covered}', NULL); END IF;
    -- Two orders at once: one of them makes the export, the other finds it; so does the same order again.
    PERFORM vault.move(coalesce('client:' || t.client, 'session:' || encode(t.secret_sha256, 'hex')));
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    SELECT * INTO x FROM vault.exports_of(t) y WHERE y.request IS NULL AND vault.owns_export(t, y, now)
        AND (y.id = an_export OR (vault.export_at(y.id)).state IN ('received', 'collecting')) ORDER BY y.id = an_export DESC, y.id LIMIT 1;
    IF x.id IS NOT NULL THEN
        e.facts := 'again ' || x.id;
        RETURN vault.conclude(e, 'done', NULL, vault.export_json(x));
    END IF;
    x := (an_export, t.client, t.authority, CASE WHEN t.client IS NULL THEN t.secret_sha256 END, a_language, no_large, 0, 0, e.id, now, NULL);
    SELECT count(*), coalesce(sum(p.size_bytes), 0) INTO x.documents, x.size_bytes FROM vault.export_papers(t, no_large, now) p WHERE p.how = 'open';
    INSERT INTO vault.export SELECT x.*;
    INSERT INTO vault.export_state (export, n, state, entry, recorded_at) VALUES (an_export, 1, 'received', e.id, now);
    INSERT INTO vault.export_claim (export, until) VALUES (an_export, '-infinity');
    PERFORM vault.export_reviews(t, x, e.id, now);
    e.facts := an_export::text;
    RETURN vault.conclude(e, 'done', NULL, vault.export_json(x));
END
$act$;

-- What an export held is gone: its key at once, its object as soon as the worker comes by.
CREATE OR REPLACE FUNCTION vault.export_close(an_export uuid, as_of timestamptz) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    DELETE FROM vault.wrapped_key k WHERE k.kind = 'export' AND k.subject = an_export::text;
    INSERT INTO vault.attempt_end (object, recorded_at)
    SELECT a.object, as_of FROM vault.attempt a WHERE a.export = an_export ON CONFLICT DO NOTHING;
END;

CREATE OR REPLACE FUNCTION vault.export_remove(secret bytea, an_export uuid) RETURNS vault.done
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
    e := vault.entry_of(t, 'export-remove', now);
    SELECT * INTO x FROM vault.export y WHERE y.id = an_export;
    e.facts := x.id::text;
    -- What a desk made is the desk's to remove, until it is handed over.
    IF x.id IS NULL OR NOT (CASE WHEN x.request IS NULL THEN vault.owns_export(t, x, now) ELSE vault.at_desk(t, x) END)
        OR (vault.export_at(x.id)).state = 'removed' THEN
        RETURN vault.conclude(e, 'hidden', '{document-not-covered}', NULL);
    END IF;
    e.client := x.client;
    -- A running download and the worker that is at it end now.
    PERFORM vault.move(coalesce('client:' || x.client, 'session:' || encode(t.secret_sha256, 'hex')));
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    IF (vault.export_step(x.id, 'remove', NULL, e.id, now)).state IS NULL THEN RETURN vault.conclude(e, 'export-state', NULL, NULL); END IF;
    PERFORM vault.export_close(x.id, now);
    IF x.client IS NOT NULL THEN PERFORM vault.tell('export-removed', 'client:' || x.client, e.id, now); END IF;
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- Who fetches it: whose it is; one that is handed over, only the desk that answers the request, while that runs.
CREATE OR REPLACE FUNCTION vault.fetches_export(t vault.token, x vault.export, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN CASE WHEN x.request IS NULL THEN vault.owns_export(t, x, as_of)
    ELSE vault.at_desk(t, x) AND vault.export_grounded(x, as_of) AND vault.exports_for(vault.export_asker(x), x.client, as_of) END;

-- May the package be read now? Null, or why not.
CREATE OR REPLACE FUNCTION vault.export_closed(t vault.token, x vault.export, as_of timestamptz) RETURNS text
LANGUAGE sql STABLE
RETURN CASE
    WHEN x.id IS NULL OR NOT vault.fetches_export(t, x, as_of) OR (vault.export_at(x.id)).state IN ('expired', 'removed', 'handed') THEN 'hidden'
    WHEN (vault.export_at(x.id)).state NOT IN ('ready', 'delivered') THEN 'export-not-ready'
    WHEN (SELECT p.expires_at FROM vault.export_package p WHERE p.export = x.id) <= as_of THEN 'hidden'
    WHEN vault.export_outdated(x, as_of) THEN 'export-changed'
    END;

-- Everything about a person leaves in one piece: who fetches it was identified within a quarter of an hour.
CREATE OR REPLACE FUNCTION vault.is_fresh(t vault.token, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM vault.session s WHERE s.secret_sha256 = t.secret_sha256 AND s.identified_at >= as_of - interval '15 minutes');

-- The act export: the client's session, or the desk's, asks for the package's bytes, the worker that is at it for all that goes into it.
CREATE OR REPLACE FUNCTION vault.export_asked(t vault.token, an_export uuid, as_of timestamptz) RETURNS vault.answer
LANGUAGE plpgsql STABLE
AS $asked$
DECLARE
    a vault.answer;
    x vault.export;
    p vault.export_package;
    basis text;
BEGIN
    SELECT * INTO x FROM vault.export y WHERE y.id = an_export;
    basis := CASE WHEN x.request IS NULL THEN 'data-subject' ELSE 'controller-duty' END;
    a.reasons := '{document-not-covered}';
    IF t.actor = 'worker' THEN
        a.status := 'forbidden'; a.reasons := '{recipient-not-covered}';
        -- An authority that has ended since the order lets nothing more be collected.
        IF vault.may_collect(t, x) AND vault.exports_for(vault.export_asker(x), x.client, as_of) THEN
            a.status := 'permit'; a.basis := basis; a.reasons := ARRAY[basis];
            a.facts := vault.export_facts(x, as_of) || jsonb_build_object('logged', 'collect ' || x.id);
        END IF;
        RETURN a;
    END IF;
    a.facts := jsonb_build_object('logged', 'fetch');
    a.status := coalesce(vault.export_closed(t, x, as_of), CASE WHEN NOT vault.is_fresh(t, as_of) THEN 'identify' ELSE 'permit' END);
    IF a.status = 'permit' THEN
        SELECT * INTO p FROM vault.export_package y WHERE y.export = x.id;
        a.basis := basis; a.reasons := ARRAY[basis];
        a.facts := jsonb_build_object('object', p.object, 'size', p.size_bytes, 'digest', vault.b64(p.sealed_digest), 'client', x.client,
            'made_at', vault.rfc3339(p.recorded_at), 'keys', jsonb_build_array('export:' || x.id), 'logged', concat_ws(' ', 'fetch', x.id, 'request ' || x.request));
    END IF;
    RETURN a;
END
$asked$;

-- How a download ended; what is sure to have arrived is noted, and once that is all, the export is delivered.
CREATE OR REPLACE FUNCTION vault.export_sent(secret bytea, an_entry uuid, an_outcome text, first_byte bigint, bytes_sent bigint) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $sent$
DECLARE
    now timestamptz := vault.clock();
    the_export uuid := (SELECT c.document FROM vault.clearance c WHERE c.entry = an_entry AND c.asker = sha256(secret) AND c.act = 'export');
    the_size bigint := (SELECT p.size_bytes FROM vault.export_package p WHERE p.export = the_export);
    outcome uuid := vault.end_release(secret, an_entry, an_outcome, bytes_sent);
BEGIN
    IF outcome IS NULL OR the_export IS NULL OR first_byte < 0 OR first_byte + bytes_sent > the_size THEN RETURN NULL; END IF;
    -- Whoever goes on from here has what came before.
    INSERT INTO vault.export_span (export, from_byte, until_byte, sure, entry)
    SELECT DISTINCT the_export, s.from_byte, first_byte, true, outcome FROM vault.export_span s
    WHERE s.export = the_export AND NOT s.sure AND s.from_byte < first_byte AND first_byte <= s.until_byte;
    IF bytes_sent > 0 THEN
        INSERT INTO vault.export_span (export, from_byte, until_byte, sure, entry)
        VALUES (the_export, first_byte, first_byte + bytes_sent, an_outcome = 'delivered', outcome);
    END IF;
    IF (SELECT coalesce(range_agg(int8range(s.from_byte, s.until_byte)) @> int8range(0, the_size), false)
            FROM vault.export_span s WHERE s.export = the_export AND s.sure) THEN
        PERFORM vault.export_step(the_export, 'fetch', NULL, outcome, now);
    END IF;
    RETURN (vault.export_at(the_export)).state;
END
$sent$;
