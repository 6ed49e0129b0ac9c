-- The one door. ask decides and writes the entry; its transaction commits; take hands out the wrapped keys of a permit.
-- CALL vault.door(…) does the three in one round trip. Source: design.md §3.1, §3.2, §3.3; promises P1, P2, P3.

DO $types$
BEGIN
    IF to_regtype('vault.answer') IS NULL THEN
        -- status: permit; confirm (permit, but a protected class must be confirmed first); forbidden (the asker knows the thing);
        -- hidden (answers as what does not exist); unauthenticated.
        CREATE TYPE vault.answer AS (
            entry uuid, at timestamptz, leaf bytea, status text, basis text, consent uuid, provision integer, reasons text[], facts jsonb);
    END IF;
    IF to_regtype('vault.key_row') IS NULL THEN
        CREATE TYPE vault.key_row AS (kind text, subject text, parent text, wrapped bytea);
    END IF;
END
$types$;

-- Who asks is read from here, never from the caller: a recorded token, session or job that is still alive.
CREATE OR REPLACE FUNCTION vault.asker(secret bytea, as_of timestamptz) RETURNS vault.token
LANGUAGE sql STABLE
RETURN (SELECT t FROM vault.token t
        WHERE t.secret_sha256 = sha256(secret) AND t.expires_at > as_of
          AND NOT EXISTS (SELECT FROM vault.token_end e WHERE e.secret_sha256 = t.secret_sha256));

-- The same, for every act but those of the door itself, which tells a suspended one why.
CREATE OR REPLACE FUNCTION vault.live_asker(secret bytea, as_of timestamptz) RETURNS vault.token
LANGUAGE sql STABLE
RETURN (SELECT t FROM vault.asker(secret, as_of) t WHERE NOT vault.is_suspended(t.agency, t.application, as_of));

-- An entry that begins with who asks.
CREATE OR REPLACE FUNCTION vault.entry_of(t vault.token, act text, as_of timestamptz) RETURNS vault.entry
LANGUAGE plpgsql STABLE
AS $entry$
DECLARE
    e vault.entry;
BEGIN
    e.id := vault.uuid7(as_of); e.at := as_of; e.act := act; e.actor := t.actor; e.agency := t.agency; e.unit := t.unit; e.application := t.application;
    e.professional := t.professional; e.role := t.role; e.purpose := t.purpose; e.assertion := t.assertion; e.client := t.client;
    e.facts := vault.acting_as(t);
    RETURN e;
END
$entry$;

-- The same in one case, and about its client.
CREATE OR REPLACE FUNCTION vault.entry_in(t vault.token, act text, a_case uuid, as_of timestamptz) RETURNS vault.entry
LANGUAGE plpgsql STABLE
AS $entry$
DECLARE
    e vault.entry := vault.entry_of(t, act, as_of);
BEGIN
    e.case_id := a_case; e.client := (SELECT c.client FROM vault.client_case c WHERE c.id = a_case);
    RETURN e;
END
$entry$;

CREATE OR REPLACE FUNCTION vault.subject_of(t vault.token) RETURNS text
LANGUAGE sql STABLE
RETURN (SELECT p.subject FROM vault.professional p WHERE p.id = t.professional);

-- May this asker read this document? One predicate for release, list and metadata, for every kind of actor.
CREATE OR REPLACE FUNCTION vault.may_read(t vault.token, a_document uuid, as_of timestamptz) RETURNS vault.decision
LANGUAGE plpgsql STABLE
AS $may$
DECLARE
    verdict vault.decision;
BEGIN
    CASE t.actor
        WHEN 'professional' THEN
            verdict := vault.decide(a_document, t.agency, t.unit, t.role, vault.subject_of(t), 'read', t.purpose, as_of);
        WHEN 'client', 'representative' THEN
            -- The data subject reads everything about themselves, except what waits for a records officer or is withheld (design.md §3.3);
            -- who acts for them, as far as a recorded authority goes.
            IF EXISTS (SELECT FROM vault.document d
                    WHERE d.id = a_document AND vault.stands_for(t, d.case_id, false, as_of) AND vault.may_see_classes(t, d.protected_classes, as_of)
                      AND (d.key_parent = 'register' OR vault.recorded_state(d.case_id, as_of) IS DISTINCT FROM 'archived'))
                AND (vault.for_client(a_document, as_of)).how = 'open' THEN
                verdict := ('permit', 'data-subject', NULL, NULL, NULL, '{data-subject}');
            ELSE
                verdict := ('deny', NULL, NULL, NULL, NULL, '{document-not-covered}');
            END IF;
        WHEN 'records-officer' THEN
            IF vault.may_look(t, a_document, as_of) THEN
                verdict := ('permit', 'controller-duty', NULL, NULL, NULL, '{controller-duty}');
            ELSE
                verdict := ('deny', NULL, NULL, NULL, NULL, '{recipient-not-covered}');
            END IF;
        ELSE
            -- A system names no professional, so no consent names it; the others have no rule yet and get nothing.
            verdict := ('deny', NULL, NULL, NULL, NULL, '{recipient-not-covered}');
    END CASE;
    RETURN verdict;
END
$may$;

-- May this asker file in this case? Membership and handle; a signed form needs only the coordinator's place in the case.
CREATE OR REPLACE FUNCTION vault.may_file(t vault.token, a_case uuid, a_type text, as_of timestamptz) RETURNS text[]
LANGUAGE plpgsql STABLE
AS $may$
DECLARE
    against text[] := '{}';
    state text := vault.recorded_state(a_case, as_of);
BEGIN
    IF t.actor NOT IN ('professional', 'system') OR NOT vault.is_member(a_case, t.agency, NULL, as_of) THEN
        against := against || 'not-a-member'::text;
    END IF;
    IF state IN ('closing', 'closed') THEN against := against || 'case-closed'::text; END IF;
    IF state IN ('in-transfer', 'archived') THEN against := against || 'case-archived'::text; END IF;
    IF a_type IS DISTINCT FROM 'suostumus' AND NOT vault.in_force(a_case, 'handle', NULL, NULL, NULL, as_of) THEN
        against := against || coalesce((SELECT p.faults FROM vault.provisions_at(a_case, as_of) p
            WHERE p.effect = 'permit' AND 'handle' = ANY (p.actions) ORDER BY cardinality(p.faults), p.n LIMIT 1), '{no-consent}');
    END IF;
    -- FI 497/2003 §9.1 (origin): no opinion without consent to it.
    IF a_type = 'kannanotto' AND NOT vault.in_force(a_case, 'opinion', t.agency, t.unit, t.role, as_of) THEN
        against := against || 'action-not-covered'::text;
    END IF;
    RETURN vault.in_order(against);
END
$may$;

CREATE OR REPLACE FUNCTION vault.is_coordinator(t vault.token, a_case uuid, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN t.actor = 'professional' AND t.role = 'coordinator' AND vault.is_member(a_case, t.agency, 'coordinator', as_of);

-- ---------------------------------------------------------------- ask

-- ask: decide one act, write its entry, return what the asker may know; keys come only with take.
-- about holds codes and ids only: for open {"confirmed": […], "range": "…"}; for file {"type": …} or {"object": …};
-- for list {"target": …, "after": …, "limit": …, …} (see vault.listing).
CREATE OR REPLACE FUNCTION vault.ask(secret bytea, act text, a_case uuid, a_document uuid, about jsonb) RETURNS vault.answer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $ask$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.asker(secret, now);
    d record;
    e vault.entry;
    answer vault.answer;
    verdict vault.decision;
    keys text[] := '{}';
    versions bigint[];
BEGIN
    IF t.secret_sha256 IS NULL THEN
        answer.status := 'unauthenticated';
        RETURN answer;
    END IF;
    IF pg_catalog.current_setting('synchronous_commit') = 'off' THEN
        answer.status := 'not-durable';
        RETURN answer;
    END IF;
    IF act NOT IN ('file', 'open', 'list', 'find', 'export', 'package', 'verify', 'repair', 'rewrap', 'destroy') THEN
        RAISE EXCEPTION 'no such act' USING ERRCODE = 'invalid_parameter_value';
    END IF;

    -- (1) The thing, if there is one; an unknown id runs the same statements.
    SELECT coalesce(doc.case_id, a_case) AS case_id,
        -- Who asks about themselves rests on the facts about themselves.
        coalesce(cc.client, CASE WHEN t.actor IN ('client', 'representative', 'worker') THEN t.client
            WHEN t.actor = 'records-officer' AND act = 'export' THEN (SELECT x.client FROM vault.export x WHERE x.id = a_document) END) AS client, doc.id AS document, doc.type, doc.source, doc.agency, doc.protected_classes,
        doc.key_parent, doc.media_type, doc.recorded_at, fil.object, fil.size_bytes, fil.sealed_digest, doc.sealed_about,
        EXISTS (SELECT FROM vault.known k WHERE k.document = doc.id AND k.agency = t.agency) AS known
    INTO d
    FROM (SELECT a_document AS id) asked
    LEFT JOIN vault.document doc ON doc.id = asked.id AND vault.knows_copies(t, doc)
    LEFT JOIN vault.filing fil ON fil.document = doc.id
    LEFT JOIN vault.client_case cc ON cc.id = coalesce(doc.case_id, a_case);
    -- (2) The versions of everything that the decision rests on, read before the decision; take compares them. The clock is
    -- read after them: a fact that they count is not later than now, and one that they do not count stops take.
    versions := ARRAY[CASE act WHEN 'export' THEN vault.export_n(d.client, a_document) ELSE vault.row_of('case:' || d.case_id) END,
        vault.row_of('client:' || coalesce(d.client, t.client)), vault.row_of('agency:' || t.agency)];
    now := vault.clock();
    e := vault.entry_of(t, act, now);
    e.case_id := coalesce(d.case_id, a_case); e.document := a_document; e.document_type := d.type; e.source := d.source;
    e.client := coalesce(d.client, t.client);

    -- (3) The decision. A suspended agency or application has lost its token already.
    IF t.agency IS NOT NULL AND vault.is_suspended(t.agency, t.application, now) THEN
        answer.status := 'unauthenticated'; answer.reasons := '{agency-suspended}';
    ELSIF act = 'open' THEN
        e.action := 'read'; e.byte_range := about ->> 'range';
        verdict := vault.may_read(t, a_document, now);
        answer.status := CASE
            WHEN verdict.decision = 'permit' AND t.actor = 'professional'
                AND NOT d.protected_classes <@ ARRAY(SELECT jsonb_array_elements_text(coalesce(about -> 'confirmed', '[]'))) THEN 'confirm'
            WHEN verdict.decision = 'permit' THEN 'permit'
            WHEN t.actor <> 'records-officer' AND (d.agency = t.agency OR d.known) THEN 'forbidden'
            ELSE 'hidden' END;
        -- A document without its content is nothing yet to all but the agency that files it.
        IF d.document IS NOT NULL AND d.object IS NULL THEN
            verdict := ('deny', NULL, NULL, NULL, NULL, '{document-not-covered}');
            answer.status := CASE WHEN t.actor <> 'records-officer' AND d.agency = t.agency THEN 'unfiled' ELSE 'hidden' END;
        END IF;
        e.confirmation := CASE
            WHEN verdict.decision = 'permit' AND cardinality(d.protected_classes) > 0 AND answer.status = 'permit' AND t.actor = 'professional' THEN d.protected_classes
            WHEN answer.status = 'confirm' THEN ARRAY['asked-to-confirm'] END;
        answer.facts := jsonb_build_object('object', d.object, 'size', d.size_bytes, 'media_type', d.media_type, 'case', d.case_id,
            'classes', d.protected_classes, 'key_parent', d.key_parent, 'client', d.client,
            'about', encode(d.sealed_about, 'base64'), 'digest', encode(d.sealed_digest, 'base64'), 'filed_at', vault.rfc3339(d.recorded_at));
        keys := ARRAY['document:' || d.document, d.key_parent || ':' || CASE d.key_parent WHEN 'case' THEN d.case_id ELSE d.client END];
    ELSIF act = 'file' THEN
        verdict.reasons := vault.may_file(t, d.case_id, coalesce(d.type, about ->> 'type'), now);
        IF a_document IS NOT NULL AND d.agency IS DISTINCT FROM t.agency THEN
            -- Only who registered a document gives it its content.
            verdict.reasons := vault.in_order(verdict.reasons || 'document-not-covered'::text); answer.status := 'hidden';
        END IF;
        verdict.decision := CASE WHEN verdict.reasons = '{}' AND d.client IS NOT NULL THEN 'permit' ELSE 'deny' END;
        answer.status := coalesce(answer.status, CASE WHEN verdict.decision = 'permit' THEN 'permit'
            WHEN d.client IS NULL OR 'not-a-member' = ANY (verdict.reasons) THEN 'hidden' ELSE 'forbidden' END);
        e.facts := about ->> 'for';
        answer.facts := jsonb_build_object('case', d.case_id, 'client', d.client, 'object', d.object, 'size', d.size_bytes, 'media_type', d.media_type,
            'digest', encode(d.sealed_digest, 'base64'), 'key_parent', d.key_parent);
        IF answer.status = 'permit' AND about ? 'object' AND d.object IS NULL THEN
            -- The object's random name is recorded before its first byte; a crash leaves a name that the sweeper finds.
            INSERT INTO vault.attempt (object, document, entry, recorded_at)
            VALUES (about ->> 'object', a_document, e.id, now) ON CONFLICT (object) DO NOTHING;  -- asked again: facts changed before take
        END IF;
        keys := ARRAY['document:' || d.document, 'case:' || d.case_id, 'register:' || d.client];
    ELSE
        answer := CASE act WHEN 'export' THEN vault.export_asked(t, a_document, now) ELSE vault.listing(t, act, d.case_id, a_document, about, now) END;
        IF act = 'export' THEN e.byte_range := about ->> 'range'; END IF;
        IF act = 'export' AND answer.status = 'permit' AND about ? 'object' AND t.actor = 'worker' THEN
            INSERT INTO vault.attempt (object, export, entry, recorded_at) VALUES (about ->> 'object', a_document, e.id, now)
            ON CONFLICT (object) DO NOTHING;
        END IF;
        verdict.decision := CASE WHEN answer.status = 'permit' THEN 'permit' ELSE 'deny' END;
        verdict.basis := answer.basis; verdict.reasons := answer.reasons;
        keys := coalesce(ARRAY(SELECT jsonb_array_elements_text(answer.facts -> 'keys')), '{}');
        e.facts := concat_ws(' ', answer.facts ->> 'logged', vault.acting_as(t)); e.client := coalesce(e.client, (answer.facts ->> 'client')::uuid);
        answer.facts := answer.facts - 'keys' - 'logged';
    END IF;

    -- (4) The entry, permits and denials alike.
    e.decision := coalesce(verdict.decision, 'deny'); e.basis := verdict.basis; e.reasons := coalesce(verdict.reasons, answer.reasons);
    e.consent := verdict.consent; e.provision := verdict.provision; e.provisions_digest := verdict.provisions_digest;
    e := vault.write_entry(e);
    answer.entry := e.id; answer.at := e.at; answer.leaf := e.leaf; answer.basis := e.basis; answer.reasons := e.reasons;
    answer.consent := e.consent; answer.provision := e.provision;

    -- (5) A permit leaves a clearance for take; the first one of a professional joins them to the case.
    IF answer.status = 'permit' THEN
        keys := array_remove(keys, NULL);
        IF keys = '{}' AND act = 'list' THEN
            -- Nothing here is sealed (an inbox, an empty list): there is nothing to take.
            answer.facts := coalesce(answer.facts, '{}') || '{"keyless": true}';
        ELSE
            INSERT INTO vault.clearance (entry, asker, act, xid, asked_at, day, agency, case_id, client, document, case_n, client_n, agency_n, keys, process)
            VALUES (e.id, t.secret_sha256, act, pg_current_xact_id(), now, vault.helsinki_day(now), t.agency, d.case_id, coalesce(d.client, t.client), a_document,
                versions[1], versions[2], versions[3], keys, (about ->> 'process')::uuid);
        END IF;
        IF t.actor = 'professional' AND d.client IS NOT NULL THEN
            INSERT INTO vault.participant (case_id, professional, entry, recorded_at)
            VALUES (d.case_id, t.professional, e.id, now) ON CONFLICT DO NOTHING;
        END IF;
        IF act = 'open' AND t.actor = 'professional' AND NOT d.known THEN
            INSERT INTO vault.known (document, agency, recorded_at) VALUES (a_document, t.agency, now) ON CONFLICT DO NOTHING;
        END IF;
    ELSE
        answer.facts := CASE WHEN answer.status = 'confirm' THEN jsonb_build_object('classes', d.protected_classes) END;
    END IF;
    RETURN answer;
END
$ask$;

-- ---------------------------------------------------------------- take

-- take: the wrapped keys of one permit, once, to the same asker, within five seconds of an ask that has committed, and only
-- while nothing has changed that the decision rested on. Returns no row otherwise.
CREATE OR REPLACE FUNCTION vault.take(secret bytea, an_entry uuid) RETURNS SETOF vault.key_row
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $take$
DECLARE
    now timestamptz := vault.clock();
    c vault.clearance;
    t vault.token := vault.asker(secret, now);
BEGIN
    IF pg_catalog.current_setting('synchronous_commit') = 'off' THEN RETURN; END IF;
    -- A stricter isolation would compare the versions of an old snapshot: blind to a withdrawal acknowledged since.
    IF pg_catalog.current_setting('transaction_isolation') <> 'read committed' THEN RETURN; END IF;
    SELECT * INTO c FROM vault.clearance x
    WHERE x.entry = an_entry AND x.asker = t.secret_sha256 AND x.taken_at IS NULL
    FOR UPDATE;
    IF c.entry IS NULL
        -- Only an ask that an earlier transaction committed: not this one, nor one that may still roll back.
        OR pg_catalog.pg_xact_status(c.xid) IS DISTINCT FROM 'committed'
        OR now > c.asked_at + interval '5 seconds' OR now < c.asked_at - interval '1 second'
        OR vault.helsinki_day(now) <> c.day
        OR (CASE c.act WHEN 'export' THEN vault.export_n(c.client, c.document) ELSE vault.row_of('case:' || c.case_id) END) IS DISTINCT FROM c.case_n
        OR vault.row_of('client:' || c.client) IS DISTINCT FROM c.client_n
        OR vault.row_of('agency:' || c.agency) IS DISTINCT FROM c.agency_n THEN
        RETURN;
    END IF;
    IF c.act = 'destroy' THEN RETURN; END IF;  -- hands out nothing; case_shred uses it up
    IF c.act = 'open' OR (c.act = 'export' AND c.process IS NOT NULL) THEN
        UPDATE vault.clearance SET taken_at = now WHERE entry = an_entry;
    ELSE
        DELETE FROM vault.clearance WHERE entry = an_entry;
    END IF;
    RETURN QUERY
    WITH RECURSIVE chain AS (
        SELECT k.kind, k.subject, k.parent, k.wrapped FROM vault.wrapped_key k
        WHERE (k.kind, k.subject) IN (SELECT split_part(name, ':', 1), substring(name FROM position(':' IN name) + 1) FROM unnest(c.keys) AS name)
        UNION
        SELECT k.kind, k.subject, k.parent, k.wrapped FROM chain
        JOIN vault.wrapped_key k ON k.kind = split_part(chain.parent, ':', 1) AND k.subject = substring(chain.parent FROM position(':' IN chain.parent) + 1)
    )
    SELECT chain.kind, chain.subject, chain.parent, chain.wrapped FROM chain;
END
$take$;

-- ---------------------------------------------------------------- the door

-- One round trip: ask, commit, take. SECURITY INVOKER and without any SET, or it might not commit; fails inside a transaction.
CREATE OR REPLACE PROCEDURE vault.door(
    secret bytea, act text, a_case uuid, a_document uuid, about jsonb,
    INOUT entry uuid DEFAULT NULL, INOUT at timestamptz DEFAULT NULL, INOUT leaf bytea DEFAULT NULL, INOUT status text DEFAULT NULL,
    INOUT basis text DEFAULT NULL, INOUT consent uuid DEFAULT NULL, INOUT provision integer DEFAULT NULL,
    INOUT reasons text[] DEFAULT NULL, INOUT facts jsonb DEFAULT NULL, INOUT keys vault.key_row[] DEFAULT NULL)
LANGUAGE plpgsql
AS $door$
DECLARE
    answer vault.answer;
BEGIN
    answer := vault.ask(secret, act, a_case, a_document, about);
    COMMIT;
    entry := answer.entry; at := answer.at; leaf := answer.leaf; status := answer.status; basis := answer.basis;
    consent := answer.consent; provision := answer.provision; reasons := answer.reasons; facts := answer.facts;
    IF status OPERATOR(pg_catalog.=) 'permit' THEN
        keys := ARRAY(SELECT k FROM vault.take(secret, entry) AS k);
    END IF;
END
$door$;

-- How a release ended, once: a new entry that names the one which announced it.
CREATE OR REPLACE FUNCTION vault.end_release(secret bytea, an_entry uuid, an_outcome text, bytes_sent bigint) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $end$
DECLARE
    opened vault.entry;
    e vault.entry;
BEGIN
    IF an_outcome NOT IN ('delivered', 'cut', 'broken', 'unknown') OR bytes_sent < 0 THEN
        RAISE EXCEPTION 'no such outcome' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    DELETE FROM vault.clearance c WHERE c.entry = an_entry AND c.asker = sha256(secret) AND c.act IN ('open', 'export');
    IF NOT FOUND THEN RETURN NULL; END IF;
    SELECT * INTO opened FROM vault.entry x WHERE x.id = an_entry;
    e := opened;
    e.id := NULL; e.at := NULL; e.act := 'outcome'; e.salts := NULL; e.commitments := NULL; e.leaf := NULL;
    e.of_entry := an_entry; e.outcome := an_outcome; e.bytes := bytes_sent;
    e := vault.write_entry(e);
    RETURN e.id;
END
$end$;
