-- The rotation of keys: what stands under a retired key is wrapped anew under the one that took its place, then the retired key
-- is destroyed. Nothing here opens a key, and no document is touched. Source: design.md §5 (keys), §6; docs/spec/keys.md §2.

-- The epoch key that wraps what is made now: the month's, and its next one when that was retired.
CREATE OR REPLACE FUNCTION vault.epoch_now(as_of timestamptz) RETURNS text
LANGUAGE sql STABLE
RETURN (SELECT m.month || CASE WHEN count(r.name) > 0 THEN '.' || (count(r.name) + 1) ELSE '' END
    FROM (SELECT to_char(as_of AT TIME ZONE 'UTC', 'YYYY-MM') AS month) m
    LEFT JOIN vault.key_retired r ON split_part(r.name, '.', 1) = 'epoch:' || m.month GROUP BY m.month);

CREATE OR REPLACE FUNCTION vault.is_retired(keys vault.key_row[]) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM unnest(keys) AS k JOIN vault.key_retired r ON r.name = k.parent);

-- Nothing new goes under a key that is being retired. Who stores keys waits for the moment in which a rotation begins or
-- destroys, and that moment for them.
CREATE OR REPLACE FUNCTION vault.store_keys(keys vault.key_row[], as_of timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $store$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7021009);
    IF vault.is_retired(keys) THEN
        RAISE EXCEPTION 'a key would be wrapped under a retired one' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    INSERT INTO vault.wrapped_key (kind, subject, parent, wrapped, recorded_at)
    SELECT k.kind, k.subject, k.parent, k.wrapped, as_of FROM unnest(keys) AS k;
END
$store$;

-- Does an export that can still be fetched hold papers of this case? Its key lives on until it expires.
CREATE OR REPLACE FUNCTION vault.is_exported(a_case uuid) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM vault.document d JOIN vault.export_paper p ON p.document = d.id
    JOIN vault.wrapped_key k ON k.kind = 'export' AND k.subject = p.export::text WHERE d.case_id = a_case AND d.key_parent = 'case');

CREATE OR REPLACE FUNCTION vault.rotation_open() RETURNS vault.key_rotation
LANGUAGE sql STABLE
RETURN (SELECT r FROM vault.key_rotation r WHERE NOT EXISTS (SELECT FROM vault.key_rotation_end x WHERE x.rotation = r.n) ORDER BY r.n LIMIT 1);

-- Keys that stand under a retired one and must live on; a retired epoch's own key does not.
CREATE OR REPLACE FUNCTION vault.keys_to_rewrap() RETURNS SETOF vault.wrapped_key
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT k.* FROM vault.wrapped_key k JOIN vault.key_retired r ON r.name = k.parent
    WHERE NOT (k.kind = 'epoch' AND EXISTS (SELECT FROM vault.key_retired x WHERE x.name = 'epoch:' || k.subject));
END;

-- What the job of a rotation gets at the door: some of those keys, and the epoch key of now.
CREATE OR REPLACE FUNCTION vault.rewrap_facts(t vault.token, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('root', (vault.rotation_open()).root, 'epoch', vault.epoch_now(as_of), 'names', n.names,
        'left', (SELECT count(*) FROM vault.keys_to_rewrap()), 'keys', n.names || to_jsonb('epoch:' || vault.epoch_now(as_of)))
    FROM (SELECT coalesce(jsonb_agg(k.name), '[]') AS names FROM (
        SELECT k.kind || ':' || k.subject AS name FROM vault.keys_to_rewrap() k ORDER BY k.kind, k.subject LIMIT 500) k) n
    WHERE t.actor = 'worker' AND 'rewrap' = ANY (t.acts) AND (vault.rotation_open()).n IS NOT NULL);

-- ---------------------------------------------------------------- the owner

-- Begin a rotation towards this root key, or go on with the one that was begun: its number. All epochs are retired: whatever
-- was deleted under any of them, a shredded case's key or that of an export that held its papers, is lost with it.
DROP FUNCTION IF EXISTS vault.rotation_begin(text, boolean);
CREATE OR REPLACE FUNCTION vault.rotation_begin(a_root text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
DECLARE
    now timestamptz;
    e vault.entry;
    the bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7021009);
    IF (vault.rotation_open()).n IS NOT NULL THEN RETURN (vault.rotation_open()).n; END IF;
    now := vault.clock();
    e := vault.registry_entry('key-rotate', NULL, NULL, NULL, a_root);
    INSERT INTO vault.key_rotation (root, entry, recorded_at) VALUES (a_root, e.id, now) RETURNING n INTO the;
    INSERT INTO vault.key_retired (name, rotation, recorded_at)
    SELECT DISTINCT k.parent, the, now FROM vault.wrapped_key k WHERE k.parent LIKE 'root:%' AND k.parent <> a_root
    UNION
    SELECT 'epoch:' || k.subject, the, now FROM vault.wrapped_key k WHERE k.kind = 'epoch'
    ON CONFLICT DO NOTHING;
    RETURN the;
END
$act$;

-- ---------------------------------------------------------------- the worker

-- A job for the rotation that was begun, under a new secret that is told once; null when there is none.
CREATE OR REPLACE FUNCTION vault.rotation_take_up() RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $take$
DECLARE
    now timestamptz := vault.clock();
    secret bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
BEGIN
    IF (vault.rotation_open()).n IS NULL THEN RETURN NULL; END IF;
    INSERT INTO vault.token (secret_sha256, actor, acts, issued_at, expires_at)
    VALUES (sha256(secret), 'worker', '{rewrap}', now, now + interval '12 hours');
    RETURN encode(secret, 'hex');
END
$take$;

-- Store keys that were wrapped anew, each under a key that is not retired. A first epoch key that somebody else made at this
-- moment: again.
CREATE OR REPLACE FUNCTION vault.keys_rewrapped(secret bytea, permit uuid, keys vault.key_row[]) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    moved bigint;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'keys-rewrapped', now);
    e.of_entry := permit;
    IF vault.rewrap_facts(t, now) IS NULL THEN RETURN vault.conclude(e, 'hidden', '{}', NULL); END IF;
    PERFORM pg_advisory_xact_lock_shared(7021009);
    IF vault.is_retired(keys) OR EXISTS (SELECT FROM unnest(keys) k JOIN vault.wrapped_key w ON w.kind = k.kind AND w.subject = k.subject
            WHERE k.kind = 'epoch' AND NOT EXISTS (SELECT FROM vault.key_retired r WHERE r.name = w.parent)) THEN
        RETURN ROW('again', NULL, NULL, NULL, NULL, NULL)::vault.done;
    END IF;
    INSERT INTO vault.wrapped_key (kind, subject, parent, wrapped, recorded_at)
    SELECT k.kind, k.subject, k.parent, k.wrapped, now FROM unnest(keys) AS k
    WHERE k.kind = 'epoch' AND NOT EXISTS (SELECT FROM vault.wrapped_key w WHERE w.kind = k.kind AND w.subject = k.subject);
    -- A key that was destroyed meanwhile stays so.
    UPDATE vault.wrapped_key w SET parent = k.parent, wrapped = k.wrapped FROM unnest(keys) AS k
    WHERE w.kind = k.kind AND w.subject = k.subject AND EXISTS (SELECT FROM vault.key_retired r WHERE r.name = w.parent);
    GET DIAGNOSTICS moved = ROW_COUNT;
    e.facts := moved || ' keys';
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('keys', moved));
END
$act$;

-- Destroy the retired epoch keys, once nothing stands under them.
CREATE OR REPLACE FUNCTION vault.epochs_destroy(secret bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    epochs text[];
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'epochs-destroy', now);
    IF vault.rewrap_facts(t, now) IS NULL THEN RETURN vault.conclude(e, 'hidden', '{}', NULL); END IF;
    PERFORM pg_advisory_xact_lock(7021009);
    IF EXISTS (SELECT FROM vault.keys_to_rewrap()) THEN RETURN vault.conclude(e, 'keys-left', NULL, NULL); END IF;
    epochs := ARRAY(SELECT r.name FROM vault.key_retired r WHERE r.name LIKE 'epoch:%'
        AND NOT EXISTS (SELECT FROM vault.key_end x WHERE x.name = r.name) ORDER BY r.name);
    DELETE FROM vault.wrapped_key k WHERE k.kind = 'epoch' AND 'epoch:' || k.subject = ANY (epochs);
    INSERT INTO vault.key_end (name, entry, recorded_at) SELECT n, e.id, now FROM unnest(epochs) n;
    e.facts := array_to_string(epochs, ' ');
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('epochs', epochs));
END
$act$;

-- The rotation's end: these root keys are gone from the keyring. Whatever was shredded under a destroyed epoch is beyond
-- recovery when every retired root key is gone as well: until then a backup's epoch key would open.
CREATE OR REPLACE FUNCTION vault.rotation_end(secret bytea, roots text[]) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    forgotten bigint := 0;
    one record;
    told vault.entry;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'key-rotation-end', now);
    IF vault.rewrap_facts(t, now) IS NULL THEN RETURN vault.conclude(e, 'hidden', '{}', NULL); END IF;
    PERFORM pg_advisory_xact_lock(7021009);
    IF EXISTS (SELECT FROM vault.wrapped_key k JOIN vault.key_retired r ON r.name = k.parent) THEN RETURN vault.conclude(e, 'keys-left', NULL, NULL); END IF;
    INSERT INTO vault.key_end (name, entry, recorded_at)
    SELECT r.name, e.id, now FROM vault.key_retired r WHERE r.name = ANY (roots) AND r.name LIKE 'root:%' ON CONFLICT DO NOTHING;
    INSERT INTO vault.key_rotation_end (rotation, entry, recorded_at) VALUES ((vault.rotation_open()).n, e.id, now);
    IF NOT EXISTS (SELECT FROM vault.key_retired r WHERE NOT EXISTS (SELECT FROM vault.key_end x WHERE x.name = r.name)) THEN
        FOR one IN SELECT s.case_id, s.transfer, c.client FROM vault.shredded s JOIN vault.client_case c ON c.id = s.case_id
                WHERE EXISTS (SELECT FROM vault.key_end x WHERE x.name = 'epoch:' || s.epoch) AND (vault.transfer_at(s.transfer)).state = 'shredded'
                  AND NOT vault.is_exported(s.case_id) LOOP
            PERFORM vault.move('case:' || one.case_id);
            told := vault.entry_of(t, 'transfer-forget', vault.clock());
            told.case_id := one.case_id; told.client := one.client; told.decision := 'permit'; told.reasons := '{}'; told.of_entry := e.id;
            PERFORM vault.transfer_step(one.transfer, 'forget', NULL, told.id, told.at);
            PERFORM vault.write_entry(told);
            forgotten := forgotten + 1;
        END LOOP;
    END IF;
    e.facts := array_to_string(roots, ' ');
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('forgotten', forgotten));
END
$act$;

-- How a rotation stands, for the owner; null when there never was one.
CREATE OR REPLACE FUNCTION vault.rotation_json() RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('rotation', r.n, 'root', r.root, 'began_at', vault.rfc3339(r.recorded_at),
        'ended_at', (SELECT vault.rfc3339(x.recorded_at) FROM vault.key_rotation_end x WHERE x.rotation = r.n),
        'left', (SELECT count(*) FROM vault.keys_to_rewrap()),
        'retired', (SELECT coalesce(jsonb_agg(k.name ORDER BY k.name), '[]') FROM vault.key_retired k WHERE k.rotation = r.n),
        'alive', (SELECT coalesce(jsonb_agg(k.name ORDER BY k.name), '[]') FROM vault.key_retired k
            WHERE NOT EXISTS (SELECT FROM vault.key_end x WHERE x.name = k.name)))
    FROM vault.key_rotation r ORDER BY r.n DESC LIMIT 1);
