-- Transfers: archivists approve, the worker packages, sends, verifies and shreds; every step is logged and can be repeated.
-- Source: promise P8; design.md §4 (transfers), §5; domain.md §11.3.

-- What a transfer waits for, in words of the code: whoever looks at it need not guess.
CREATE OR REPLACE FUNCTION vault.waits_for(x vault.transfer) RETURNS text[]
LANGUAGE sql STABLE
RETURN (SELECT vault.pending(x.case_id) || CASE
        WHEN s.state = 'due' AND vault.transfer_approvals(x.id) < 2 THEN '{approvals}'::text[]
        WHEN s.state = 'rejected' THEN '{approvals}'::text[]
        WHEN s.state = 'sent' THEN '{receipt}'::text[]
        WHEN s.state = 'verified' AND vault.shred_from(x) > vault.clock() THEN '{waiting-time}'::text[]
        WHEN s.state = 'shredded' AND vault.is_exported(x.case_id) THEN '{export,key-rotation}'::text[]
        WHEN s.state = 'shredded' THEN '{key-rotation}'::text[] ELSE '{}'::text[] END
    FROM vault.transfer_at(x.id) s);

CREATE OR REPLACE FUNCTION vault.transfer_json(x vault.transfer, t vault.token) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('id', x.id, 'case', x.case_id, 'process', c.process, 'case_opened_at', vault.rfc3339(c.recorded_at), 'archive', a.id,
        'archive_name', a.name,
        'state', (vault.transfer_at(x.id)).state, 'held', vault.is_held(x.case_id), 'holds', vault.holds_json(x.case_id), 'closed_at', vault.rfc3339(vault.closed_at(x.case_id)),
        'approvals', vault.transfer_approvals(x.id),
        'approved_by_you', EXISTS (SELECT FROM vault.transfer_approval p
            WHERE p.transfer = x.id AND p.due = vault.transfer_due(x.id) AND p.professional = t.professional),
        'waits_for', vault.waits_for(x), 'shred_from', vault.rfc3339(vault.shred_from(x)), 'progress', vault.progress_json(x.id),
        'locked_until', (SELECT vault.rfc3339(max(k.until)) FROM vault.transfer_lock k WHERE k.transfer = x.id),
        'package', (SELECT jsonb_build_object('made_at', vault.rfc3339(p.made_at), 'size', p.package_size, 'sha256', encode(p.package_sha256, 'hex'),
                'tar', jsonb_build_object('size', p.tar_size, 'sha256', encode(p.tar_sha256, 'hex')), 'files', p.files,
                'payload_bytes', p.payload_bytes, 'retention_ends', p.retention_ends, 'version', p.version)
            FROM vault.transfer_package p WHERE p.transfer = x.id ORDER BY p.n DESC LIMIT 1),
        'receipt', (SELECT vault.b64(r.sealed) FROM vault.transfer_receipt r WHERE r.transfer = x.id ORDER BY r.n DESC LIMIT 1),
        'history', (SELECT jsonb_agg(jsonb_build_object('state', s.state, 'at', vault.rfc3339(s.recorded_at)) ORDER BY s.n)
            FROM vault.transfer_state s WHERE s.transfer = x.id))
    FROM vault.client_case c, vault.archive a WHERE c.id = x.case_id AND a.n = x.archive);

-- ---------------------------------------------------------------- archivists

-- What every act of an archivist begins with; status null: go on, with the case locked.
CREATE OR REPLACE FUNCTION vault.transfer_begin(secret bytea, a_transfer uuid, an_act text, OUT t vault.token, OUT e vault.entry, OUT status text)
LANGUAGE plpgsql VOLATILE
AS $begin$
DECLARE
    now timestamptz := vault.clock();
BEGIN
    t := vault.live_asker(secret, now);
    IF t.secret_sha256 IS NULL THEN status := 'unauthenticated'; RETURN; END IF;
    e := vault.entry_of(t, an_act, now);
    e.case_id := (SELECT x.case_id FROM vault.transfer x WHERE x.id = a_transfer);
    e.client := (SELECT c.client FROM vault.client_case c WHERE c.id = e.case_id);
    IF NOT vault.is_archivist(t, e.case_id) THEN status := 'hidden'; RETURN; END IF;
    PERFORM vault.move('case:' || e.case_id);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
END
$begin$;

-- Approve a transfer, with all that follows from it: two different archivists. Approving what was rejected begins again.
CREATE OR REPLACE FUNCTION vault.transfer_approve(secret bytea, a_transfer uuid) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    b record;
    e vault.entry;
BEGIN
    SELECT * INTO b FROM vault.transfer_begin(secret, a_transfer, 'transfer-approve');
    IF b.status = 'unauthenticated' THEN RETURN vault.unauthenticated(); END IF;
    e := b.e;
    IF b.status IS NOT NULL THEN RETURN vault.conclude(e, b.status, '{not-a-member}', NULL); END IF;
    IF (vault.transfer_at(a_transfer)).state = 'rejected' THEN PERFORM vault.transfer_step(a_transfer, 'retry', NULL, e.id, e.at); END IF;
    IF (vault.transfer_at(a_transfer)).state <> 'due' THEN
        RETURN vault.conclude(e, coalesce(CASE WHEN (vault.transfer_at(a_transfer)).state = 'on-hold' THEN vault.held_status(e.case_id) END, 'transfer-state'), NULL, NULL);
    END IF;
    INSERT INTO vault.transfer_approval (transfer, due, professional, entry, recorded_at)
    VALUES (a_transfer, vault.transfer_due(a_transfer), (b.t).professional, e.id, e.at) ON CONFLICT DO NOTHING;
    RETURN vault.conclude(e, 'done', NULL, vault.transfer_json((SELECT x FROM vault.transfer x WHERE x.id = a_transfer), b.t));
END
$act$;

-- Refuse what was sent. The case is closed again, not shredded; who approves it anew begins again.
CREATE OR REPLACE FUNCTION vault.transfer_reject(secret bytea, a_transfer uuid, sealed bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    b record;
    e vault.entry;
BEGIN
    SELECT * INTO b FROM vault.transfer_begin(secret, a_transfer, 'transfer-reject');
    IF b.status = 'unauthenticated' THEN RETURN vault.unauthenticated(); END IF;
    e := b.e;
    IF b.status IS NOT NULL THEN RETURN vault.conclude(e, b.status, '{not-a-member}', NULL); END IF;
    IF (vault.transfer_step(a_transfer, 'reject', sealed, e.id, e.at)).state IS NULL THEN RETURN vault.conclude(e, 'transfer-state', NULL, NULL); END IF;
    IF vault.recorded_state(e.case_id, e.at) = 'in-transfer' THEN PERFORM vault.record_state(e.case_id, 'closed', NULL, e.id, e.at); END IF;
    RETURN vault.conclude(e, 'done', NULL, vault.transfer_json((SELECT x FROM vault.transfer x WHERE x.id = a_transfer), b.t));
END
$act$;

-- What a receipt must be for, and with whose keys it is verified; for an archivist, or for the worker at it.
CREATE OR REPLACE FUNCTION vault.transfer_expected(secret bytea, a_transfer uuid) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
BEGIN ATOMIC
    SELECT jsonb_build_object('transfer', x.id, 'case', x.case_id, 'archive', a.id, 'recipients', a.recipients, 'archive_name', a.name,
        'receipt_keys', jsonb_build_object('keys', (SELECT coalesce(jsonb_agg(k), '[]') FROM jsonb_array_elements(a.receipt_keys -> 'keys') k
            WHERE NOT EXISTS (SELECT FROM vault.receipt_key_end e WHERE e.archive = a.id AND e.kid = k ->> 'kid'))),
        'recipient', (vault.draft_of(x.id)).recipient, 'package', vault.transfer_json(x, t) -> 'package', 'state', (vault.transfer_at(x.id)).state)
    FROM vault.transfer x JOIN vault.archive a ON a.n = x.archive, vault.asker(secret, vault.clock()) t
    WHERE x.id = a_transfer AND (vault.is_archivist(t, x.case_id) OR (t.actor = 'worker' AND t.case_id = x.case_id));
END;

-- Record a receipt that was verified to be for the newest package; the digests are compared here once more.
CREATE OR REPLACE FUNCTION vault.transfer_receive(secret bytea, a_transfer uuid, a_package_sha256 bytea, a_tar_sha256 bytea, sealed bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    step vault.transfer_state;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'transfer-receipt', now);
    e.case_id := (SELECT x.case_id FROM vault.transfer x WHERE x.id = a_transfer);
    e.client := (SELECT c.client FROM vault.client_case c WHERE c.id = e.case_id);
    IF NOT coalesce(vault.is_archivist(t, e.case_id) OR vault.is_at(t, a_transfer), false) THEN RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL); END IF;
    PERFORM vault.move('case:' || e.case_id);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    IF NOT EXISTS (SELECT FROM (SELECT * FROM vault.transfer_package p WHERE p.transfer = a_transfer ORDER BY p.n DESC LIMIT 1) p
            WHERE p.package_sha256 = a_package_sha256 AND p.tar_sha256 = a_tar_sha256) THEN
        RETURN vault.conclude(e, 'receipt-mismatch', NULL, NULL);
    END IF;
    step := vault.transfer_step(a_transfer, 'receipt', NULL, e.id, now);
    -- A receipt that comes again, later too, changes nothing.
    IF step.state IS NULL AND (vault.transfer_at(a_transfer)).state NOT IN ('verified', 'retained', 'shredded', 'beyond-recovery') THEN
        RETURN vault.conclude(e, 'transfer-state', NULL, NULL);
    END IF;
    IF step.entry = e.id THEN
        INSERT INTO vault.transfer_receipt (transfer, n, sealed, entry, recorded_at) VALUES (a_transfer, step.n, transfer_receive.sealed, e.id, now);
    END IF;
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('state', (vault.transfer_at(a_transfer)).state));
END
$act$;

-- ---------------------------------------------------------------- the worker

-- Closed cases become due; holds stop and release what they concern. Logged; done once a minute.
CREATE OR REPLACE FUNCTION vault.transfers_find() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $find$
DECLARE
    now timestamptz;
    found bigint := 0;
    one record;
    e vault.entry;
BEGIN
    FOR one IN
        SELECT c.id AS case_id, c.client, NULL::uuid AS transfer, 'due' AS event, (SELECT max(a.n) FROM vault.archive a WHERE a.agency = c.controller) AS archive
        FROM vault.client_case c
        WHERE vault.recorded_state(c.id, vault.clock()) = 'closed' AND EXISTS (SELECT FROM vault.archive a WHERE a.agency = c.controller)
          AND NOT EXISTS (SELECT FROM vault.transfer x WHERE x.case_id = c.id AND (vault.transfer_at(x.id)).state <> 'cancelled')
          AND vault.pending(c.id) = '{}'
        UNION ALL
        SELECT x.case_id, c.client, x.id, CASE WHEN vault.is_held(x.case_id) THEN 'hold' ELSE 'release' END, NULL
        FROM vault.transfer x JOIN vault.client_case c ON c.id = x.case_id
        WHERE (vault.transfer_at(x.id)).state = ANY (CASE WHEN vault.is_held(x.case_id)
            THEN '{due,packaged,rejected,verified}'::text[] ELSE '{on-hold,retained}' END)
    LOOP
        -- Nobody closes, reopens or holds the case until we have committed; what was true above is looked at again.
        PERFORM vault.move('case:' || one.case_id);
        now := vault.clock();
        e := NULL;
        e.id := vault.uuid7(now); e.at := now; e.act := 'transfer-' || one.event; e.actor := 'worker'; e.case_id := one.case_id;
        e.client := one.client; e.decision := 'permit'; e.reasons := '{}';
        IF one.transfer IS NULL THEN
            CONTINUE WHEN vault.recorded_state(one.case_id, now) IS DISTINCT FROM 'closed'
                OR EXISTS (SELECT FROM vault.transfer x WHERE x.case_id = one.case_id AND (vault.transfer_at(x.id)).state <> 'cancelled');
            one.transfer := vault.uuid7(now);
            INSERT INTO vault.transfer (id, case_id, archive, entry, recorded_at) VALUES (one.transfer, one.case_id, one.archive, e.id, now);
            INSERT INTO vault.transfer_state (transfer, n, state, entry, recorded_at) VALUES (one.transfer, 1, 'due', e.id, now);
            -- The client is told in time to take a copy: it is readable here until the keys are destroyed.
            PERFORM vault.tell('case-leaves', 'client:' || one.client, e.id, now);
        ELSE
            CONTINUE WHEN (one.event = 'hold') <> vault.is_held(one.case_id)
                OR (vault.transfer_step(one.transfer, one.event, NULL, e.id, now)).state IS NULL;
            -- What stopped the worker before is told no more: the state itself says what it waits for.
            UPDATE vault.transfer_progress p SET trouble = NULL, trouble_code = NULL, trouble_at = NULL WHERE p.transfer = one.transfer;
        END IF;
        PERFORM vault.write_entry(e);
        found := found + 1;
    END LOOP;
    RETURN found;
END
$find$;

CREATE OR REPLACE FUNCTION vault.shredded_objects(a_case uuid) RETURNS SETOF text
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT f.object FROM vault.filing f JOIN vault.document d ON d.id = f.document
    WHERE d.case_id = a_case AND d.key_parent = 'case' AND vault.recorded_state(a_case, vault.clock()) = 'archived'
      AND NOT EXISTS (SELECT FROM vault.object_end x WHERE x.object = f.object);
END;

-- Does this state leave something for the worker to do?
CREATE OR REPLACE FUNCTION vault.has_work(x vault.transfer) RETURNS boolean
LANGUAGE sql STABLE
RETURN CASE (vault.transfer_at(x.id)).state
    WHEN 'due' THEN vault.transfer_approvals(x.id) >= 2 AND vault.pending(x.case_id) = '{}'
    WHEN 'shredded' THEN EXISTS (SELECT FROM vault.shredded_objects(x.case_id))
    WHEN 'beyond-recovery' THEN EXISTS (SELECT FROM vault.shredded_objects(x.case_id))
    WHEN 'verified' THEN vault.shred_from(x) <= vault.clock() AND vault.pending(x.case_id) = '{}'
    ELSE (vault.transfer_at(x.id)).state IN ('packaged', 'sent', 'received') END;

-- Take up one transfer: a job is recorded under a new secret, which is told once; the one before it, if any, is at an end.
CREATE OR REPLACE FUNCTION vault.transfer_take_up() RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $take$
DECLARE
    now timestamptz := vault.clock();
    x vault.transfer;
    secret bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
    before bytea;
    the_client uuid;
BEGIN
    -- One worker at a time looks; what it takes up is then its own.
    IF NOT pg_try_advisory_xact_lock(7021004) THEN RETURN NULL; END IF;
    SELECT * INTO x FROM vault.transfer y WHERE vault.has_work(y)
        AND NOT EXISTS (SELECT FROM vault.transfer_claim k WHERE k.transfer = y.id AND k.until > now) ORDER BY y.id LIMIT 1;
    IF x.id IS NULL THEN RETURN NULL; END IF;
    SELECT k.secret_sha256 INTO before FROM vault.transfer_claim k WHERE k.transfer = x.id;
    INSERT INTO vault.token_end (secret_sha256, recorded_at)
    SELECT k.secret_sha256, now FROM vault.token k WHERE k.secret_sha256 = before ON CONFLICT DO NOTHING;
    SELECT c.client INTO the_client FROM vault.client_case c WHERE c.id = x.case_id;
    INSERT INTO vault.token (secret_sha256, actor, client, case_id, acts, issued_at, expires_at)
    VALUES (sha256(secret), 'worker', the_client, x.case_id, '{package,verify,destroy}', now, now + interval '12 hours');
    INSERT INTO vault.transfer_claim AS k (transfer, secret_sha256, until) VALUES (x.id, sha256(secret), now + interval '2 minutes')
    ON CONFLICT (transfer) DO UPDATE SET secret_sha256 = excluded.secret_sha256, until = excluded.until;
    RETURN jsonb_build_object('transfer', x.id, 'case', x.case_id, 'state', (vault.transfer_at(x.id)).state, 'secret', encode(secret, 'hex'));
END
$take$;

-- Still at it (or, with a negative wait, done with it for so long): false when another worker has taken it up.
CREATE OR REPLACE FUNCTION vault.transfer_keep(secret bytea, a_transfer uuid, a_wait interval) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $keep$
BEGIN
    UPDATE vault.transfer_claim k SET until = vault.clock() + least(a_wait, interval '1 hour')
    WHERE k.transfer = a_transfer AND k.secret_sha256 = sha256(secret);
    RETURN FOUND;
END
$keep$;

-- A step of the worker that is at it, with what the step made; hidden for who is not, or not any more.
CREATE OR REPLACE FUNCTION vault.transfer_done(secret bytea, a_transfer uuid, an_event text, made jsonb) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    step vault.transfer_state;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'transfer-' || an_event, now);
    e.case_id := t.case_id;
    IF an_event NOT IN ('package', 'send', 'verify', 'reject') OR NOT vault.is_at(t, a_transfer) THEN RETURN vault.conclude(e, 'hidden', '{}', NULL); END IF;
    PERFORM vault.move('case:' || t.case_id);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    IF an_event IN ('package', 'send') AND vault.is_held(t.case_id) THEN RETURN vault.conclude(e, vault.held_status(t.case_id), NULL, NULL); END IF;
    IF an_event IN ('package', 'send') AND (vault.recorded_state(t.case_id, now)
            IS DISTINCT FROM CASE (vault.transfer_at(a_transfer)).state WHEN 'sent' THEN 'in-transfer' ELSE 'closed' END) THEN
        RETURN vault.conclude(e, 'transfer-state', NULL, NULL);
    END IF;
    step := vault.transfer_step(a_transfer, an_event, NULL, e.id, now);
    IF step.state IS NULL THEN RETURN vault.conclude(e, 'transfer-state', NULL, NULL); END IF;
    IF an_event = 'package' THEN
        INSERT INTO vault.transfer_package (transfer, n, made_at, package_size, package_sha256, tar_size, tar_sha256, files, payload_bytes, retention_ends, version)
        VALUES (a_transfer, step.n, (made ->> 'made_at')::timestamptz, (made ->> 'package_size')::bigint, decode(made ->> 'package_sha256', 'hex'),
            (made ->> 'tar_size')::bigint, decode(made ->> 'tar_sha256', 'hex'), (made ->> 'files')::bigint, (made ->> 'payload_bytes')::bigint,
            (made ->> 'retention_ends')::date, made ->> 'version');
    ELSIF an_event = 'verify' AND made ? 'locked_until' THEN
        INSERT INTO vault.transfer_lock (transfer, n, until, recorded_at) VALUES (a_transfer, step.n, (made ->> 'locked_until')::timestamptz, now);
    ELSIF an_event = 'send' AND step.entry = e.id THEN
        PERFORM vault.record_state(t.case_id, 'in-transfer', NULL, e.id, now);
    ELSIF an_event = 'reject' AND step.entry = e.id AND vault.recorded_state(t.case_id, now) = 'in-transfer' THEN
        PERFORM vault.record_state(t.case_id, 'closed', NULL, e.id, now);
    END IF;
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('state', step.state));
END
$act$;

-- Destroy the keys of a case whose destruction the door has permitted and logged, in a transaction before this one.
CREATE OR REPLACE FUNCTION vault.case_shred(secret bytea, a_transfer uuid, permit uuid) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    c vault.clearance;
    destroyed bigint;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'shred', now);
    e.case_id := t.case_id; e.of_entry := permit;
    -- From here to the commit nobody holds, rejects or reopens; what may_destroy asks for is looked at again under this lock.
    PERFORM vault.move('case:' || t.case_id);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    DELETE FROM vault.clearance x WHERE x.entry = permit AND x.asker = t.secret_sha256 AND x.act = 'destroy' AND x.case_id = t.case_id
        AND pg_xact_status(x.xid) = 'committed' AND x.asked_at > now - interval '5 seconds' RETURNING * INTO c;
    IF c.entry IS NULL OR NOT vault.is_at(t, a_transfer) OR NOT vault.may_destroy(t, t.case_id, now) THEN
        RETURN vault.conclude(e, coalesce(vault.held_status(t.case_id), 'transfer-state'), NULL, NULL);
    END IF;
    INSERT INTO vault.shredded (case_id, transfer, epoch, entry, recorded_at)
    SELECT t.case_id, a_transfer, substring(k.parent FROM 7), e.id, now FROM vault.wrapped_key k WHERE k.kind = 'case' AND k.subject = t.case_id::text;
    DELETE FROM vault.wrapped_key k WHERE (k.kind = 'case' AND k.subject = t.case_id::text) OR (k.kind = 'document' AND k.parent = 'case:' || t.case_id);
    GET DIAGNOSTICS destroyed = ROW_COUNT;
    PERFORM vault.transfer_step(a_transfer, 'shred', NULL, e.id, now);
    PERFORM vault.record_state(t.case_id, 'archived', NULL, e.id, now);
    PERFORM vault.tell('case-archived', 'case:' || t.case_id, e.id, now);
    e.facts := destroyed || ' keys';
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('keys', destroyed));
END
$act$;

-- The store's objects of a shredded case, and that these are gone from it.
CREATE OR REPLACE FUNCTION vault.transfer_objects(secret bytea, a_transfer uuid, removed text[]) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $objects$
DECLARE
    t vault.token := vault.asker(secret, vault.clock());
BEGIN
    IF NOT coalesce(vault.is_at(t, a_transfer), false) THEN RETURN; END IF;
    INSERT INTO vault.object_end (object, recorded_at)
    SELECT o, vault.clock() FROM vault.shredded_objects(t.case_id) o WHERE o = ANY (removed) ON CONFLICT DO NOTHING;
    RETURN QUERY SELECT o FROM vault.shredded_objects(t.case_id) o LIMIT 1000;
END
$objects$;

-- A case that is opened again takes its transfer with it; called by case_reopen.
CREATE OR REPLACE FUNCTION vault.transfers_cancel(a_case uuid, an_entry uuid, as_of timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $cancel$
DECLARE
    one uuid;
BEGIN
    FOR one IN SELECT x.id FROM vault.transfer x WHERE x.case_id = a_case LOOP
        PERFORM vault.transfer_step(one, 'cancel', NULL, an_entry, as_of);
    END LOOP;
END
$cancel$;

-- ---------------------------------------------------------------- the owner

CREATE OR REPLACE FUNCTION vault.archive_register(
    an_id text, an_agency text, a_name jsonb, some_recipients jsonb, some_keys jsonb, some_days integer, a_contact jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
BEGIN
    INSERT INTO vault.archive (id, agency, name, recipients, receipt_keys, wait_days, contact, recorded_at)
    VALUES (an_id, an_agency, a_name, some_recipients, some_keys, some_days, a_contact, vault.clock());
    PERFORM vault.registry_entry('archive-register', an_agency, NULL, NULL, an_id);
END
$act$;

-- A receipt key counts no more from now on, also for what is under way.
CREATE OR REPLACE FUNCTION vault.receipt_key_retire(an_archive text, a_kid text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
BEGIN
    IF NOT EXISTS (SELECT FROM vault.archive a, jsonb_array_elements(a.receipt_keys -> 'keys') k WHERE a.id = an_archive AND k ->> 'kid' = a_kid) THEN
        RETURN false;
    END IF;
    INSERT INTO vault.receipt_key_end (archive, kid, recorded_at) VALUES (an_archive, a_kid, vault.clock()) ON CONFLICT DO NOTHING;
    PERFORM vault.registry_entry('receipt-key-retire', (SELECT a.agency FROM vault.archive a WHERE a.id = an_archive ORDER BY a.n DESC LIMIT 1),
        NULL, NULL, a_kid);
    RETURN true;
END
$act$;
