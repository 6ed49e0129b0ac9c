-- What people see of the log. An opening is the entries of one reader, document, answer and ten minutes, as one
-- (docs/glossary.md). Names of persons are never among it: organisations, roles and purposes are (CJEU C-579/21).

CREATE OR REPLACE FUNCTION vault.entry_json(e vault.entry) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_strip_nulls(jsonb_build_object('entry', e.id, 'at', vault.rfc3339(e.at), 'act', e.act, 'actor', e.actor, 'agency', e.agency, 'unit', e.unit,
    'reader', e.professional, 'role', e.role, 'purpose', e.purpose, 'document', e.document, 'document_type', e.document_type, 'action', e.action,
    'decision', e.decision, 'basis', e.basis, 'consent', e.consent, 'provision', e.provision, 'reasons', e.reasons,
    'confirmation', e.confirmation, 'outcome', e.outcome, 'bytes', e.bytes, 'range', e.byte_range, 'of', e.of_entry, 'facts', e.facts));

-- The milliseconds in a UUIDv7, and the least id of a millisecond.
CREATE OR REPLACE FUNCTION vault.id_ms(id uuid) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint;

CREATE OR REPLACE FUNCTION vault.least_id(ms bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN rpad(lpad(to_hex(greatest(0, least(ms, 281474976710655))), 12, '0'), 32, '0')::uuid;

CREATE OR REPLACE FUNCTION vault.first_id(instant timestamptz) RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN vault.least_id((extract(epoch FROM instant) * 1000)::bigint);

-- Days are days in Finland: the instant at which one begins. Midnight there is a multiple of ten minutes in UTC.
CREATE OR REPLACE FUNCTION vault.day_begins(day date) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
RETURN day::timestamp AT TIME ZONE 'Europe/Helsinki';

-- What a desk's package tells of the log, beside what the agency sees anyway: of the person and who acts for them, what changed
-- something there, and never what they read or fetched, when they signed in, or a try that was refused; of exports, that desk's alone
-- (design.md §3.3). An act that is in no list here is not told.
CREATE OR REPLACE FUNCTION vault.told_at_desk(e vault.entry, desk text) RETURNS boolean
LANGUAGE sql STABLE
RETURN CASE
    WHEN e.actor IN ('client', 'representative') THEN e.decision = 'permit' AND CASE
        WHEN e.act LIKE 'request-%' THEN EXISTS (SELECT FROM vault.request r WHERE r.client = e.client AND r.controller = desk AND r.entry IN (e.id, e.of_entry))
        WHEN e.act = 'fee-answer' THEN EXISTS (SELECT FROM vault.request r JOIN vault.fee f ON f.request = r.id JOIN vault.fee_answer y ON y.fee = f.id
            WHERE r.client = e.client AND r.controller = desk AND y.entry = e.id)
        ELSE e.act IN ('consent-record', 'consent-withdraw', 'consent-confirm', 'prohibition-record', 'prohibition-end', 'pause', 'resume',
            'authority-record', 'authority-end', 'authority-bar', 'authority-unbar', 'client-language') END
    WHEN e.actor = 'worker' AND (e.act LIKE 'export%' OR e.act = 'outcome' AND e.case_id IS NULL) THEN EXISTS (
        SELECT FROM vault.export x JOIN vault.request r ON r.id = x.request
        WHERE x.client = e.client AND r.controller = desk AND coalesce(position(x.id::text IN e.facts) > 0, false))
    ELSE true END;

-- The openings and other acts of these cases, and those about the client that belong to no case, by these kinds of
-- actor, or (others) by all but these; a list of protected classes leaves out the documents of any other class; an agency
-- leaves out what other agencies did that belongs to no case, and what is not told at its desk.
-- Ordered by the first entry's id, upwards or downwards; since and before cut at the beginning of a Finnish day. A page begins
-- after the opening whose first entry is the cursor, so none is cut in two, told twice or left out.
CREATE OR REPLACE FUNCTION vault.openings(cases uuid[], a_client uuid, actors text[], others boolean, classes text[], since timestamptz, before timestamptz,
    cursor_id uuid, newest boolean, at_most integer, of_agency text DEFAULT NULL) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH span AS (
        SELECT greatest(vault.least_id(0), vault.first_id(since),
                CASE WHEN NOT newest THEN vault.least_id(vault.id_ms(cursor_id) / 600000 * 600000) END) AS low,
            least('ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid, vault.first_id(before),
                CASE WHEN newest THEN vault.least_id((vault.id_ms(cursor_id) / 600000 + 1) * 600000) END) AS high
    ), scope AS MATERIALIZED (
        SELECT e AS r, e.id, e.act, e.of_entry, e.outcome, e.bytes FROM span, vault.entry e WHERE e.case_id = ANY (cases) AND e.id >= span.low
        UNION ALL
        SELECT e, e.id, e.act, e.of_entry, e.outcome, e.bytes FROM span, vault.entry e WHERE e.case_id IS NULL AND e.client = a_client AND e.id >= span.low
            AND coalesce(e.agency = of_agency, true)
    ), told AS (
        SELECT (s.r).*, o.outcome AS ended, o.bytes AS sent, s.r FROM span, scope s
        LEFT JOIN scope o ON o.act = 'outcome' AND o.of_entry = s.id
        WHERE s.act <> 'outcome' AND s.id < span.high AND ((s.r).actor = ANY (actors)) <> others
            AND (of_agency IS NULL OR vault.told_at_desk(s.r, of_agency))
            AND (classes IS NULL OR NOT EXISTS (SELECT FROM vault.document d WHERE d.id = (s.r).document AND NOT d.protected_classes <@ classes))
    ), opening AS (
        SELECT (array_agg(t.r ORDER BY t.id))[1] AS first, (array_agg(t.id ORDER BY t.id))[1] AS id, t.ended,
            jsonb_build_object('entries', array_agg(t.id ORDER BY t.id), 'bytes', sum(t.sent), 'last_at', CASE WHEN count(*) > 1 THEN vault.rfc3339(max(t.at)) END) AS whole
        FROM told t
        GROUP BY t.actor, t.agency, t.unit, t.application, t.professional, t.role, t.purpose, t.act, t.case_id, t.document, t.decision, t.basis, t.consent,
            t.provision, t.reasons, t.confirmation, t.facts, t.ended, vault.id_ms(t.id) / 600000,
            -- Only what looks at something is folded; what changes something is told one by one.
            CASE WHEN t.act NOT IN ('open', 'list', 'find', 'explain', 'export') THEN t.id END
    ), page AS (
        SELECT o.id, jsonb_strip_nulls(vault.entry_json(o.first) || jsonb_build_object('case', (o.first).case_id, 'outcome', o.ended, 'reader', NULL,
                'organisation', (SELECT a.name FROM vault.agency a WHERE a.id = (o.first).agency),
                -- Why a records officer looked stands with the request that it was done for, where the client reads it.
                'request', coalesce((SELECT l.request FROM vault.request_look l WHERE (o.first).actor = 'records-officer' AND l.document = (o.first).document
                    AND l.professional = (o.first).professional AND l.recorded_at <= (o.first).at ORDER BY l.recorded_at DESC LIMIT 1),
                    (SELECT x.request FROM vault.export x WHERE (o.first).actor = 'records-officer' AND x.id = (o.first).document))) || o.whole
            || CASE WHEN jsonb_array_length(o.whole -> 'entries') > 1 THEN '{"range": null}' ELSE '{}' END::jsonb) AS item
        FROM opening o
        WHERE cursor_id IS NULL OR CASE WHEN newest THEN o.id < cursor_id ELSE o.id > cursor_id END
        ORDER BY CASE WHEN newest THEN NULL ELSE o.id END, CASE WHEN newest THEN o.id END DESC
        LIMIT at_most
    )
    SELECT coalesce(jsonb_agg(p.item ORDER BY CASE WHEN newest THEN NULL ELSE p.id END, CASE WHEN newest THEN p.id END DESC), '[]') FROM page p;
END;

-- The cases whose log this asker sees as the person themselves, or as who acts for them; for an export that is handed over
-- (vault.export_asker), those of the agency at whose desk it is, or the one that was asked for.
CREATE OR REPLACE FUNCTION vault.own_cases(t vault.token, as_of timestamptz) RETURNS uuid[]
LANGUAGE sql STABLE
RETURN (SELECT coalesce(array_agg(c.id ORDER BY c.id), '{}') FROM vault.client_case c WHERE c.client = t.client
    AND coalesce(c.controller = t.agency, true) AND coalesce(c.id = t.case_id, true) AND vault.stands_for(t, c.id, false, as_of));

-- The list my-log. about: {"own": true} for the person's own reads instead of everyone else's, {"from", "until"} days,
-- {"newest": true}, {"older": true} for what is older than two years: FI 703/2023 §11 gives that only for a special reason,
-- so it stands apart and opens by a granted request. Null when there is no such case for this asker.
CREATE OR REPLACE FUNCTION vault.my_log(t vault.token, a_case uuid, about jsonb, as_of timestamptz, at_most integer) RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $my$
DECLARE
    cases uuid[] := vault.own_cases(t, as_of);
    whose uuid := CASE WHEN a_case IS NULL AND vault.stands_for_client(t, t.client, false, as_of) THEN t.client END;
    own boolean := coalesce((about ->> 'own')::boolean, false);
    older boolean := coalesce((about ->> 'older')::boolean, false);
    limit_day date := (vault.helsinki_day(as_of) - interval '2 years')::date;
    since timestamptz := vault.day_begins((about ->> 'from')::date);
    before timestamptz := vault.day_begins((about ->> 'until')::date + 1);
    -- A representative sees neither the client's own reads nor what tells of a class that the authority does not name.
    classes text[] := (SELECT x.protected_classes FROM vault.authority x WHERE t.actor = 'representative' AND x.id = t.authority);
    oldest uuid;
BEGIN
    IF t.actor NOT IN ('client', 'representative') OR (a_case IS NOT NULL AND NOT a_case = ANY (cases)) THEN RETURN NULL; END IF;
    IF older AND NOT vault.may_see_older(t, t.client, as_of) THEN RETURN NULL; END IF;
    IF a_case IS NOT NULL THEN cases := ARRAY[a_case]; END IF;
    IF older THEN
        before := least(before, vault.day_begins(limit_day));
    ELSE
        since := greatest(since, vault.day_begins(limit_day));
    END IF;
    oldest := (SELECT e.id FROM vault.entry e WHERE e.case_id = ANY (cases) AND e.id < vault.first_id(vault.day_begins(limit_day)) LIMIT 1);
    RETURN jsonb_build_object(
        'items', vault.openings(cases, whose, CASE WHEN own THEN ARRAY[t.actor] ELSE '{client}' END, NOT own, classes, since, before, (about ->> 'after')::uuid, coalesce((about ->> 'newest')::boolean, false), at_most),
        'since', limit_day, 'older', oldest IS NOT NULL,
        'language', (SELECT a.language FROM vault.client_about a WHERE a.client = t.client ORDER BY a.n DESC LIMIT 1));
END
$my$;
