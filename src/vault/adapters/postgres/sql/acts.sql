-- The acts that write facts: each checks who asks, moves the versions of what it touches, writes its entry and its facts in
-- one transaction. status: done, or why not (hidden, forbidden, unauthenticated, or a word of its own for a conflict).

DO $types$
BEGIN
    IF to_regtype('vault.done') IS NULL THEN
        CREATE TYPE vault.done AS (status text, entry uuid, at timestamptz, leaf bytea, reasons text[], facts jsonb);
    END IF;
END
$types$;

-- Move a scope's version: from here to the commit nobody else changes its facts, and no earlier ask can be taken.
CREATE OR REPLACE FUNCTION vault.move(a_scope text) RETURNS bigint
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO vault.fact_version AS v (scope, n) VALUES (a_scope, 1)
    ON CONFLICT (scope) DO UPDATE SET n = v.n + 1 RETURNING n;
END;

-- Tell others: running downloads are looked at again, jobs and notices follow.
CREATE OR REPLACE FUNCTION vault.tell(a_topic text, a_scope text, an_entry uuid, as_of timestamptz) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO vault.outbox (id, topic, scope, entry, recorded_at) VALUES (vault.uuid7(as_of), a_topic, a_scope, an_entry, as_of);
    SELECT pg_catalog.pg_notify('vault_facts', a_scope);
END;

-- A notice to every other agency that has a place in the case or holds one of its documents.
CREATE OR REPLACE FUNCTION vault.notify_agencies(a_case uuid, but_not text, a_kind text, a_consent uuid, an_entry uuid, as_of timestamptz) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO vault.notice (id, agency, kind, case_id, consent, entry, recorded_at)
    SELECT vault.uuid7(as_of), x.agency, a_kind, a_case, a_consent, an_entry, as_of
    FROM (SELECT m.agency FROM vault.member m WHERE m.case_id = a_case
          UNION SELECT k.agency FROM vault.known k JOIN vault.document d ON d.id = k.document WHERE d.case_id = a_case) x
    WHERE x.agency IS DISTINCT FROM but_not;
END;

-- Write the entry of an act and answer.
CREATE OR REPLACE FUNCTION vault.conclude(e vault.entry, a_status text, a_reasons text[], a_facts jsonb) RETURNS vault.done
LANGUAGE plpgsql VOLATILE
AS $conclude$
BEGIN
    e.decision := CASE a_status WHEN 'done' THEN 'permit' ELSE 'deny' END;
    e.reasons := coalesce(a_reasons, '{}');
    e := vault.write_entry(e);
    RETURN (a_status, e.id, e.at, e.leaf, a_reasons, a_facts)::vault.done;
END
$conclude$;

-- Nobody whom the vault knows: there is nothing to write an entry about.
CREATE OR REPLACE FUNCTION vault.unauthenticated() RETURNS vault.done
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ROW('unauthenticated', NULL, NULL, NULL, NULL, NULL)::vault.done;

-- What an Idempotency-Key stands for: the id under which the act is done, the first time and every time after it. The act
-- itself is decided anew; done already under this id, it is answered again. Null: the key was used for another request.
CREATE OR REPLACE FUNCTION vault.reserve(secret bytea, a_key_sha256 bytea, a_request_mac bytea, a_subject uuid) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $reserve$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.asker(secret, now);
    -- A client's session stands alone; what is kept of it is the digest that the token's table holds, too.
    whose text := coalesce(t.application, 'session:' || encode(t.secret_sha256, 'hex'));
    kept vault.idempotency;
BEGIN
    IF whose IS NULL THEN RETURN a_subject; END IF;  -- the act itself will refuse
    INSERT INTO vault.idempotency AS i (application, key_sha256, request_mac, subject, recorded_at)
    VALUES (whose, a_key_sha256, a_request_mac, a_subject, now)
    ON CONFLICT (application, key_sha256) DO UPDATE
        SET request_mac = excluded.request_mac, subject = excluded.subject, recorded_at = now
        WHERE i.recorded_at < now - interval '24 hours';
    SELECT * INTO kept FROM vault.idempotency i WHERE i.application = whose AND i.key_sha256 = a_key_sha256;
    RETURN CASE WHEN kept.request_mac = a_request_mac THEN kept.subject END;
END
$reserve$;

-- ---------------------------------------------------------------- cases

-- Open a case; the caller becomes its coordinator. A known code means the same client, and nobody is told so.
-- keys: the case key, a register key for the case that the client is new, and the month's epoch key when the door had none.
CREATE OR REPLACE FUNCTION vault.case_open(
    secret bytea, a_case uuid, a_client uuid, a_process text, code_mac bytea, name_mac bytea, born_mac bytea, adult_on date,
    a_language text, an_interpreter text, sealed_client bytea, sealed_case bytea, keys vault.key_row[]) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    the_client uuid;
    registered vault.client_about;
    differing text[];
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'case-open', now);
    e.case_id := a_case;
    IF t.actor <> 'professional' OR t.role <> 'coordinator' THEN
        RETURN vault.conclude(e, 'forbidden', '{recipient-not-covered}', NULL);
    END IF;
    SELECT c.client INTO the_client FROM vault.client_case c WHERE c.id = a_case AND c.controller = t.agency;
    IF the_client IS NOT NULL THEN
        e.client := the_client; e.facts := 'again';
        RETURN vault.conclude(e, 'done', NULL, NULL);
    END IF;
    -- Two first cases of one person at the same moment: one makes the client, the other finds it.
    PERFORM vault.hold_code(code_mac);
    -- The month's epoch key is made once; a caller that made another one begins again with the one that stands.
    IF EXISTS (SELECT FROM unnest(keys) k JOIN vault.wrapped_key w ON w.kind = 'epoch' AND w.subject = k.subject WHERE k.kind = 'epoch') THEN
        RETURN ROW('again', NULL, NULL, NULL, NULL, NULL)::vault.done;
    END IF;
    -- So does who would wrap anything under a key that is being retired.
    PERFORM pg_advisory_xact_lock_shared(7021009);
    IF vault.is_retired(keys) THEN RETURN ROW('again', NULL, NULL, NULL, NULL, NULL)::vault.done; END IF;
    the_client := vault.client_meant(t, case_open.code_mac, case_open.name_mac, now);
    IF the_client IS NULL THEN
        the_client := a_client;
        INSERT INTO vault.client (id, adult_on, recorded_at) VALUES (a_client, case_open.adult_on, now);
        registered.client := a_client; registered.sealed := sealed_client; registered.language := a_language; registered.interpreter := an_interpreter;
        registered.name_mac := case_open.name_mac; registered.born_mac := case_open.born_mac; registered.code_mac := case_open.code_mac; registered.address_protected := false;
        PERFORM vault.append_about(registered, now);
        IF code_mac IS NOT NULL THEN
            INSERT INTO vault.client_code (code_mac, client, recorded_at) VALUES (case_open.code_mac, a_client, now);
        END IF;
        PERFORM vault.store_keys(keys, now);
    ELSE
        PERFORM vault.store_keys(ARRAY(SELECT k FROM unnest(keys) k WHERE k.kind <> 'register'), now);
    END IF;
    e.client := the_client;
    PERFORM vault.move('case:' || a_case), vault.move('client:' || the_client);
    INSERT INTO vault.client_case (id, client, process, controller, language, interpreter, sealed_about, entry, recorded_at)
    VALUES (a_case, the_client, a_process, t.agency, a_language, an_interpreter, sealed_case, e.id, now);
    INSERT INTO vault.member (id, case_id, agency, role, from_day, entry, recorded_at)
    VALUES (vault.uuid7(now), a_case, t.agency, 'coordinator', vault.helsinki_day(now), e.id, now);
    -- A difference from what is registered goes to the records officer; it never overwrites.
    SELECT * INTO registered FROM vault.client_about x WHERE x.client = the_client ORDER BY x.n DESC LIMIT 1;
    differing := array_remove(ARRAY[CASE WHEN registered.name_mac <> case_open.name_mac THEN 'name' END,
        CASE WHEN registered.born_mac <> case_open.born_mac THEN 'born' END], NULL);
    IF differing <> '{}' THEN
        INSERT INTO vault.difference (id, client, case_id, fields, recorded_at) VALUES (vault.uuid7(now), the_client, a_case, differing, now);
    END IF;
    PERFORM vault.tell('case-opened', 'case:' || a_case, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- The caller's agency's own reference for a case.
CREATE OR REPLACE FUNCTION vault.case_refer(secret bytea, a_case uuid, a_sealed bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_in(t, 'case-refer', a_case, now);
    -- The agency's own, so whoever of it sees the case may set it: its system too.
    IF t.actor NOT IN ('professional', 'system') OR NOT vault.is_member(a_case, t.agency, CASE WHEN t.actor = 'professional' THEN t.role END, now)
        OR e.client IS NULL THEN
        RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL);
    END IF;
    -- Two at once: one after the other, since the number of the row counts on.
    PERFORM pg_advisory_xact_lock(hashtextextended('vault.reference ' || a_case || ' ' || t.agency, 0));
    INSERT INTO vault.case_reference (case_id, agency, n, sealed, recorded_at)
    SELECT a_case, t.agency, coalesce(max(r.n), 0) + 1, a_sealed, now FROM vault.case_reference r WHERE r.case_id = a_case AND r.agency = t.agency;
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- ---------------------------------------------------------------- members

-- An agency becomes a member only while handle or invite-expert names it (design.md §3.2).
CREATE OR REPLACE FUNCTION vault.member_add(
    secret bytea, a_member uuid, a_case uuid, an_agency text, a_role text, first_day date, last_day date) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_in(t, 'member-add', a_case, now);
    -- Only what is registered goes into the log: a caller may have mistaken a name for an id.
    e.facts := (SELECT a.id FROM vault.agency a WHERE a.id = an_agency) || ' ' || a_role;
    IF NOT vault.is_member(a_case, t.agency, CASE WHEN t.actor = 'professional' THEN t.role END, now) OR e.client IS NULL THEN
        RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL);
    END IF;
    PERFORM vault.move('case:' || a_case);
    IF NOT vault.is_coordinator(t, a_case, now) THEN RETURN vault.conclude(e, 'forbidden', '{recipient-not-covered}', NULL); END IF;
    IF vault.recorded_state(a_case, now) IS NOT NULL THEN RETURN vault.conclude(e, 'forbidden', '{case-closed}', NULL); END IF;
    IF NOT EXISTS (SELECT FROM vault.agency a WHERE a.id = an_agency) THEN RETURN vault.conclude(e, 'unknown-agency', NULL, NULL); END IF;
    IF vault.is_suspended(an_agency, NULL, now) THEN RETURN vault.conclude(e, 'forbidden', '{agency-suspended}', NULL); END IF;
    IF NOT vault.in_force(a_case, 'handle', an_agency, '*', a_role, now) AND NOT vault.in_force(a_case, 'invite-expert', an_agency, '*', a_role, now) THEN
        RETURN vault.conclude(e, 'forbidden', CASE WHEN vault.in_force(a_case, 'handle', NULL, NULL, NULL, now) THEN '{recipient-not-covered}'::text[]
            ELSE '{no-consent}' END, NULL);
    END IF;
    IF EXISTS (SELECT FROM vault.member m WHERE m.id = a_member AND m.case_id = a_case AND m.agency = an_agency AND m.role = a_role) THEN
        RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('from', (SELECT m.from_day FROM vault.member m WHERE m.id = a_member)));
    END IF;
    IF EXISTS (SELECT FROM vault.member m WHERE m.case_id = a_case AND m.agency = an_agency AND m.role = a_role
            AND coalesce(m.until_day, 'infinity') >= coalesce(first_day, vault.helsinki_day(now)) AND m.from_day <= coalesce(last_day, 'infinity')
            AND NOT EXISTS (SELECT FROM vault.member_end x WHERE x.member = m.id)) THEN
        RETURN vault.conclude(e, 'already-member', NULL, NULL);
    END IF;
    INSERT INTO vault.member (id, case_id, agency, role, from_day, until_day, entry, recorded_at)
    VALUES (a_member, a_case, an_agency, a_role, coalesce(first_day, vault.helsinki_day(now)), last_day, e.id, now);
    PERFORM vault.tell('member-added', 'case:' || a_case, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('from', coalesce(first_day, vault.helsinki_day(now))));
END
$act$;

CREATE OR REPLACE FUNCTION vault.member_end(secret bytea, a_case uuid, a_member uuid) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    m vault.member;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_in(t, 'member-end', a_case, now);
    IF NOT vault.is_coordinator(t, a_case, now) OR e.client IS NULL THEN RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL); END IF;
    PERFORM vault.move('case:' || a_case);
    SELECT * INTO m FROM vault.member x WHERE x.id = a_member AND x.case_id = a_case;
    IF m.id IS NULL THEN RETURN vault.conclude(e, 'unknown-member', NULL, NULL); END IF;
    e.facts := m.agency || ' ' || m.role;
    IF m.role = 'coordinator' AND NOT EXISTS (SELECT FROM vault.member x WHERE x.case_id = a_case AND x.role = 'coordinator' AND x.id <> a_member
            AND vault.is_member(a_case, x.agency, 'coordinator', now) AND NOT EXISTS (SELECT FROM vault.member_end y WHERE y.member = x.id)) THEN
        RETURN vault.conclude(e, 'last-coordinator', NULL, NULL);
    END IF;
    INSERT INTO vault.member_end (member, entry, recorded_at) VALUES (a_member, e.id, now) ON CONFLICT DO NOTHING;
    PERFORM vault.tell('member-ended', 'case:' || a_case, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- ---------------------------------------------------------------- documents

-- May this asker name the document (as what another one is attached to, or replaces)? Unknown and not permitted are alike.
CREATE OR REPLACE FUNCTION vault.may_name(t vault.token, a_case uuid, a_document uuid, own_only boolean, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN a_document IS NULL OR EXISTS (SELECT FROM vault.document d WHERE d.id = a_document AND d.case_id = a_case AND d.copy_of IS NULL
    AND (d.agency = t.agency OR (NOT own_only AND (vault.may_read(t, d.id, as_of)).decision = 'permit')));

-- Register a document: its metadata and its key. Its content comes with the upload.
CREATE OR REPLACE FUNCTION vault.document_add(secret bytea, a_case uuid, a_document uuid, about jsonb, sealed bytea, key vault.key_row) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    against text[];
    the_source text := coalesce(split_part(about ->> 'source', '/', 1), t.agency);
    the_source_unit text := CASE WHEN about ->> 'source' LIKE '%/%' THEN about ->> 'source' WHEN about ->> 'source' IS NULL THEN t.unit END;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_in(t, 'document-add', a_case, now);
    e.document := a_document; e.document_type := about ->> 'type'; e.source := (SELECT a.id FROM vault.agency a WHERE a.id = the_source);
    -- A withdrawal that commits now waits for us, or we for it; then it is earlier than now.
    PERFORM FROM vault.fact_version v WHERE v.scope = 'case:' || a_case FOR SHARE;
    now := vault.clock();
    e.id := vault.uuid7(now); e.at := now;
    against := vault.may_file(t, a_case, about ->> 'type', now);
    IF e.client IS NULL OR 'not-a-member' = ANY (against) THEN RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL); END IF;
    IF against <> '{}' THEN RETURN vault.conclude(e, 'forbidden', against, NULL); END IF;
    IF NOT EXISTS (SELECT FROM vault.agency a WHERE a.id = the_source)
        OR (the_source_unit IS NOT NULL AND NOT EXISTS (SELECT FROM vault.unit u WHERE u.id = the_source_unit)) THEN
        RETURN vault.conclude(e, 'unknown-source', NULL, NULL);
    END IF;
    IF NOT vault.may_name(t, a_case, (about ->> 'attachment_of')::uuid, false, now) THEN RETURN vault.conclude(e, 'unknown-attachment_of', NULL, NULL); END IF;
    IF NOT vault.may_name(t, a_case, (about ->> 'replaces')::uuid, true, now) THEN RETURN vault.conclude(e, 'unknown-replaces', NULL, NULL); END IF;
    IF EXISTS (SELECT FROM vault.document d WHERE d.id = a_document AND d.case_id = a_case AND d.application = t.application) THEN
        RETURN vault.conclude(e, 'done', NULL, NULL);
    END IF;
    INSERT INTO vault.document (id, case_id, type, agency, unit, application, professional, source, source_unit, attachment_of, replaces, series,
        dated, valid_until, language, protected_classes, third_persons, check_before_client, original, media_type, key_parent, sealed_about, entry, recorded_at)
    VALUES (a_document, a_case, about ->> 'type', t.agency, t.unit, t.application, t.professional, the_source, the_source_unit,
        (about ->> 'attachment_of')::uuid, (about ->> 'replaces')::uuid,
        coalesce((SELECT d.series FROM vault.document d WHERE d.id = (about ->> 'replaces')::uuid), a_document),
        (about ->> 'dated')::date, (about ->> 'valid_until')::date, about ->> 'language',
        ARRAY(SELECT jsonb_array_elements_text(about -> 'protected_classes')), (about ->> 'third_persons')::boolean,
        (about ->> 'check_before_client')::boolean, (about ->> 'original')::boolean, about ->> 'media_type',
        split_part((key).parent, ':', 1), sealed, e.id, now);
    PERFORM vault.store_keys(ARRAY[key], now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- The upload's commit decides again: a withdrawal or closing that came while the bytes ran refuses it.
CREATE OR REPLACE FUNCTION vault.document_filed(secret bytea, a_document uuid, an_object text, a_size bigint, a_digest bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    d vault.document;
    against text[];
BEGIN
    SELECT * INTO d FROM vault.document x WHERE x.id = a_document AND x.copy_of IS NULL;
    -- A long upload may outlive its token: who began the attempt is who ends it, as long as the token was not ended.
    IF t.secret_sha256 IS NULL THEN
        SELECT k.* INTO t FROM vault.token k JOIN vault.attempt a ON a.object = an_object JOIN vault.entry b ON b.id = a.entry
        WHERE k.secret_sha256 = sha256(secret) AND b.assertion = k.assertion AND NOT vault.is_suspended(k.agency, k.application, now)
          AND NOT EXISTS (SELECT FROM vault.token_end x WHERE x.secret_sha256 = k.secret_sha256);
    END IF;
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_in(t, 'document-filed', d.case_id, now);
    e.document := a_document; e.document_type := d.type; e.source := d.source; e.bytes := a_size;
    IF d.id IS NULL OR d.agency IS DISTINCT FROM t.agency THEN RETURN vault.conclude(e, 'hidden', '{document-not-covered}', NULL); END IF;
    PERFORM FROM vault.fact_version v WHERE v.scope = 'case:' || d.case_id FOR SHARE;
    now := vault.clock();
    e.id := vault.uuid7(now); e.at := now;
    against := vault.may_file(t, d.case_id, d.type, now);
    IF against <> '{}' THEN RETURN vault.conclude(e, 'forbidden', against, NULL); END IF;
    PERFORM FROM vault.attempt a WHERE a.object = an_object AND a.document = a_document FOR UPDATE;
    IF NOT FOUND OR EXISTS (SELECT FROM vault.attempt_end x WHERE x.object = an_object) THEN
        RETURN vault.conclude(e, 'given-up', NULL, NULL);
    END IF;
    INSERT INTO vault.filing (document, object, size_bytes, sealed_digest, entry, recorded_at)
    VALUES (a_document, an_object, a_size, a_digest, e.id, now) ON CONFLICT (document) DO NOTHING;
    IF NOT FOUND THEN RETURN vault.conclude(e, 'already-filed', NULL, NULL); END IF;
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- Does a document or an export point to this object?
CREATE OR REPLACE FUNCTION vault.is_stored(an_object text) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM vault.filing f WHERE f.object = an_object) OR EXISTS (SELECT FROM vault.export_package p WHERE p.object = an_object);

-- Give an attempt up: its late commit is refused from here on, so its object may be deleted after. True when it may.
CREATE OR REPLACE FUNCTION vault.attempt_give_up(an_object text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
BEGIN
    PERFORM FROM vault.attempt a WHERE a.object = an_object FOR UPDATE;
    IF NOT FOUND OR vault.is_stored(an_object) THEN RETURN false; END IF;
    INSERT INTO vault.attempt_end (object, recorded_at) VALUES (an_object, vault.clock()) ON CONFLICT DO NOTHING;
    RETURN true;
END
$act$;

-- Retracted opens to nobody but the client; misfiled (the wrong person's paper) closes to everyone at once.
-- The agency that filed it, or the case's coordinator, may say so; misfiled also whoever lawfully read it.
CREATE OR REPLACE FUNCTION vault.document_mark(secret bytea, a_document uuid, a_mark text) RETURNS vault.done
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
    IF a_mark NOT IN ('retracted', 'misfiled') THEN
        RAISE EXCEPTION 'no such mark' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT * INTO d FROM vault.document x WHERE x.id = a_document AND x.copy_of IS NULL;
    e := vault.entry_in(t, 'document-' || a_mark, d.case_id, now);
    e.document := a_document; e.document_type := d.type; e.source := d.source;
    IF d.id IS NULL OR t.actor <> 'professional' OR NOT coalesce(
            (d.agency = t.agency AND vault.is_member(d.case_id, t.agency, NULL, now))
            OR (vault.is_coordinator(t, d.case_id, now) AND (vault.may_read(t, d.id, now)).decision = 'permit')
            OR (a_mark = 'misfiled' AND EXISTS (SELECT FROM vault.known k WHERE k.document = d.id AND k.agency = t.agency)), false) THEN
        RETURN vault.conclude(e, 'hidden', '{document-not-covered}', NULL);
    END IF;
    -- What a records officer found to be in its place is not closed by the same word again.
    IF a_mark = 'misfiled' AND EXISTS (SELECT FROM vault.misfiled_decision x WHERE x.document = d.id AND x.decision = 'in-place') THEN
        RETURN vault.conclude(e, 'misfiled-decided', NULL, NULL);
    END IF;
    PERFORM vault.move('case:' || d.case_id);
    INSERT INTO vault.document_mark (document, mark, entry, recorded_at) VALUES (a_document, a_mark, e.id, now) ON CONFLICT DO NOTHING;
    PERFORM vault.tell('document-' || a_mark, 'case:' || d.case_id, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;
