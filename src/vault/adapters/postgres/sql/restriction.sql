-- Restriction of processing: what a granted request puts into force, and how it ends. It is a prohibition, which vault.decide
-- reads like every other; but neither the client's own pages nor the end of a pause end it.
-- Source: GDPR Art. 18, 19; FI 703/2023 § 12; FI 381/2023 § 12; FI 434/2003 § 59 (a letter is received on the seventh day).

CREATE OR REPLACE FUNCTION vault.is_restricted(a_case uuid) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM vault.prohibition b WHERE b.case_id = a_case AND b.request IS NOT NULL
    AND NOT EXISTS (SELECT FROM vault.prohibition_end x WHERE x.prohibition = b.id));

-- Whether a restriction in force binds this paper: one of its whole case, or one that names it.
CREATE OR REPLACE FUNCTION vault.keeps_restricted(a_document uuid, a_case uuid) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM vault.prohibition b WHERE b.case_id = a_case AND b.request IS NOT NULL
    AND (b.documents IS NULL OR b.documents @> jsonb_build_array(jsonb_build_object('document', a_document)))
    AND NOT EXISTS (SELECT FROM vault.prohibition_end x WHERE x.prohibition = b.id));

-- Every agency that filed or opened what is restricted is told, in each case (GDPR Art. 19).
CREATE OR REPLACE FUNCTION vault.notify_restricted(a_request uuid, a_kind text, an_entry uuid, as_of timestamptz) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO vault.notice (id, agency, kind, case_id, entry, recorded_at)
    SELECT vault.uuid7(as_of), x.agency, a_kind, x.case_id, an_entry, as_of
    FROM (SELECT DISTINCT h.agency, b.case_id FROM vault.prohibition b JOIN vault.document d ON d.case_id = b.case_id AND d.copy_of IS NULL
            AND (b.documents IS NULL OR b.documents @> jsonb_build_array(jsonb_build_object('document', d.id)))
          CROSS JOIN LATERAL (SELECT d.agency UNION SELECT k.agency FROM vault.known k WHERE k.document = d.id) h
          WHERE b.request = a_request) x;
END;

-- Put a granted request into force: in each case that it is about, or on the papers that are named (null: on all). How many
-- cases it binds in; none when the archive has them all.
CREATE OR REPLACE FUNCTION vault.restrict(r vault.request, papers uuid[], an_entry uuid, as_of timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE
AS $restrict$
DECLARE
    bound bigint;
BEGIN
    INSERT INTO vault.prohibition (id, client, case_id, documents, request, entry, recorded_at)
    SELECT vault.uuid7(as_of), r.client, c.id, y.documents, r.id, an_entry, as_of
    FROM vault.client_case c CROSS JOIN LATERAL (SELECT jsonb_agg(jsonb_build_object('document', d.id) ORDER BY d.id) AS documents
        FROM vault.document d WHERE d.case_id = c.id AND d.id = ANY (papers)) y
    WHERE c.client = r.client AND c.controller = r.controller AND (r.case_id IS NULL OR c.id = r.case_id)
      AND (papers IS NULL OR y.documents IS NOT NULL) AND vault.recorded_state(c.id, as_of) IS DISTINCT FROM 'archived';
    GET DIAGNOSTICS bound = ROW_COUNT;
    PERFORM vault.notify_restricted(r.id, 'processing-restricted', an_entry, as_of);
    RETURN bound;
END
$restrict$;

-- The newest notice that a restriction will end.
CREATE OR REPLACE FUNCTION vault.restriction_told(a_request uuid, as_of timestamptz) RETURNS vault.restriction_notice
LANGUAGE sql STABLE
RETURN (SELECT x FROM vault.restriction_notice x WHERE x.request = a_request AND x.recorded_at <= as_of ORDER BY x.n DESC LIMIT 1);

-- How a restriction stands; null for a request that has put none into force. papers: null for all papers of those cases.
CREATE OR REPLACE FUNCTION vault.restriction_json(a_request uuid, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('since', vault.rfc3339(min(b.recorded_at)), 'ended_at', vault.rfc3339(max(x.recorded_at)),
        'cases', jsonb_agg(b.case_id ORDER BY b.case_id),
        'papers', (SELECT jsonb_agg(p ->> 'document') FROM vault.prohibition y CROSS JOIN LATERAL jsonb_array_elements(y.documents) p WHERE y.request = a_request),
        'notice', (SELECT jsonb_build_object('ends_from', n.ends_from, 'at', vault.rfc3339(n.recorded_at), 'text', vault.b64(n.sealed_text))
            FROM vault.restriction_told(a_request, as_of) n WHERE n.request IS NOT NULL))
    FROM vault.prohibition b LEFT JOIN vault.prohibition_end x ON x.prohibition = b.id
    WHERE b.request = a_request HAVING count(*) > 0);

-- Tell the person that the restriction will end, and from which day. It binds until somebody ends it after that day.
CREATE OR REPLACE FUNCTION vault.restriction_notice(secret bytea, a_request uuid, a_day date, sealed bytea) RETURNS vault.done
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
    e := vault.entry_of(t, 'restriction-notice', now);
    IF r.id IS NULL OR vault.restriction_json(r.id, now) IS NULL THEN RETURN vault.conclude(e, 'hidden', '{recipient-not-covered}', NULL); END IF;
    e.client := r.client; e.case_id := r.case_id; e.document := r.document; e.of_entry := r.entry; e.facts := a_day::text;
    PERFORM vault.move_cases(r.client, r.case_id);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    IF vault.restriction_json(r.id, now) ->> 'ended_at' IS NOT NULL THEN RETURN vault.conclude(e, 'restriction-ended', NULL, NULL); END IF;
    -- There is time to be heard: the notice counts as received on the seventh day.
    IF a_day < vault.helsinki_day(now) + 7 THEN RETURN vault.conclude(e, 'ends-too-soon', NULL, NULL); END IF;
    INSERT INTO vault.restriction_notice (request, n, ends_from, sealed_text, professional, entry, recorded_at)
    SELECT r.id, coalesce(max(x.n), 0) + 1, a_day, sealed, t.professional, e.id, now FROM vault.restriction_notice x WHERE x.request = r.id;
    PERFORM vault.tell('restriction-notice', 'client:' || r.client, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('ends_from', a_day));
END
$act$;

-- End a restriction, on or after the day that the person was told. GDPR Art. 18(3).
CREATE OR REPLACE FUNCTION vault.restriction_end(secret bytea, a_request uuid) RETURNS vault.done
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
    e := vault.entry_of(t, 'restriction-end', now);
    IF r.id IS NULL OR vault.restriction_json(r.id, now) IS NULL THEN RETURN vault.conclude(e, 'hidden', '{recipient-not-covered}', NULL); END IF;
    e.client := r.client; e.case_id := r.case_id; e.document := r.document; e.of_entry := r.entry;
    PERFORM vault.move_cases(r.client, r.case_id);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    IF vault.restriction_json(r.id, now) ->> 'ended_at' IS NOT NULL THEN RETURN vault.conclude(e, 'done', NULL, NULL); END IF;
    IF coalesce((vault.restriction_told(r.id, now)).ends_from, 'infinity') > vault.helsinki_day(now) THEN
        RETURN vault.conclude(e, 'notice-first', NULL, NULL);
    END IF;
    INSERT INTO vault.prohibition_end (prohibition, entry, recorded_at)
    SELECT b.id, e.id, now FROM vault.prohibition b WHERE b.request = r.id ON CONFLICT DO NOTHING;
    PERFORM vault.notify_restricted(r.id, 'restriction-ended', e.id, now);
    PERFORM vault.tell('restriction-ended', 'client:' || r.client, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;
