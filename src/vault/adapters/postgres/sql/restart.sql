-- A log begun anew under another origin, after a restored backup lost what a witness had cosigned; and the window of entries
-- that no witness has cosigned yet.

-- Begin the tree anew. Its first leaf is an entry that holds the last cosigned checkpoint and what was lost; everything that
-- the former tree held, and the database still holds, waits to be put in behind it. Run by the owner, without a sequencer.
-- Null when the tree's head is another one by now.
CREATE OR REPLACE FUNCTION vault.tree_restart(former text, old_size bigint, old_root bytea, an_origin text, about text) RETURNS uuid
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $restart$
DECLARE
    e vault.entry;
BEGIN
    PERFORM FROM vault.tree t WHERE t.origin = former AND t.size = old_size AND t.root = old_root FOR UPDATE;
    IF NOT FOUND THEN RETURN NULL; END IF;
    e := vault.registry_entry('log-restart', NULL, NULL, NULL, about);
    INSERT INTO vault.log_restart (origin, former, entry, recorded_at) VALUES (an_origin, former, e.id, e.at);
    DELETE FROM vault.entry_pending WHERE entry = e.id;
    -- The leaves are the tiles', not the entries': of a month that was detached the entry is gone and its leaf stays.
    INSERT INTO vault.entry_pending (entry, leaf)
    SELECT p.entry, substring(t.hashes FROM (p.leaf_index % 256)::integer * 32 + 1 FOR 32)
    FROM vault.entry_position p JOIN vault.tree_tile t ON t.level = 0 AND t.n = p.leaf_index / 256;
    DELETE FROM vault.entry_position;
    DELETE FROM vault.tree_tile;
    DELETE FROM vault.checkpoint;
    INSERT INTO vault.entry_position (leaf_index, entry) VALUES (0, e.id);
    INSERT INTO vault.tree_tile (level, n, hashes) VALUES (0, 0, e.leaf);
    UPDATE vault.tree SET origin = an_origin, size = 1, root = e.leaf, uncosigned_since = vault.clock();
    RETURN e.id;
END
$restart$;

-- The first leaf of a log that was begun anew, for everyone: its id, its digests, and what it discloses.
CREATE OR REPLACE FUNCTION vault.log_restarted() RETURNS TABLE (entry uuid, digests bytea, disclosures text[])
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
BEGIN ATOMIC
    SELECT e.id, vault.entry_commitments(e), ARRAY(
        SELECT vault.base64url(convert_to('["' || vault.base64url(substring(e.salts FROM (f.place::integer - 1) * 16 + 1 FOR 16))
            || '","' || f.name || '",' || f.value || ']', 'UTF8'))
        FROM vault.entry_fields(e) f WHERE f.name IN ('at', 'act', 'actor', 'facts') ORDER BY f.place)
    FROM vault.log_restart r JOIN vault.entry e ON e.id = r.entry ORDER BY r.n DESC LIMIT 1;
END;

-- How far the log is: its head, and what no checkpoint or no witness covers yet.
CREATE OR REPLACE FUNCTION vault.log_window() RETURNS TABLE (origin text, size bigint, waiting bigint, signed_size bigint, cosigned_size bigint,
    cosigned_at timestamptz, uncosigned_since timestamptz, now timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
BEGIN ATOMIC
    SELECT t.origin, t.size, (SELECT count(*) FROM vault.entry_pending), (SELECT max(c.size) FROM vault.checkpoint c), k.size, k.cosigned_at,
        t.uncosigned_since, vault.clock()
    FROM vault.tree t LEFT JOIN LATERAL (SELECT c.size, c.cosigned_at FROM vault.checkpoint c WHERE c.cosigned_at IS NOT NULL ORDER BY c.size DESC LIMIT 1) k ON true;
END;

-- Let a month of entries go whose twelve years are over (FI 703/2023, annex): its partition is detached, and stands apart as
-- vault.entry_pruned_YYYYMM until the owner drops it. Tiles and positions stay, so every proof of the rest does. Itself logged.
-- Null when there is no such month. Run by the owner.
CREATE OR REPLACE FUNCTION vault.log_prune(a_month date) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $prune$
DECLARE
    suffix text := to_char(a_month, 'YYYYMM');
    gone bigint;
BEGIN
    IF (date_trunc('month', a_month) + interval '1 month 12 years') AT TIME ZONE 'UTC' > vault.clock() THEN
        RAISE EXCEPTION 'the twelve years of this month are not over' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF to_regclass('vault.entry_' || suffix) IS NULL THEN RETURN NULL; END IF;
    EXECUTE format('SELECT count(*) FROM vault.%I', 'entry_' || suffix) INTO gone;
    IF EXISTS (SELECT FROM vault.entry_pending p WHERE p.entry >= vault.first_id(date_trunc('month', a_month) AT TIME ZONE 'UTC')
            AND p.entry < vault.first_id((date_trunc('month', a_month) + interval '1 month') AT TIME ZONE 'UTC')) THEN
        RAISE EXCEPTION 'entries of this month still wait for the tree' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    EXECUTE format('ALTER TABLE vault.entry DETACH PARTITION vault.%I', 'entry_' || suffix);
    EXECUTE format('ALTER TABLE vault.%I RENAME TO %I', 'entry_' || suffix, 'entry_pruned_' || suffix);
    PERFORM vault.registry_entry('log-prune', NULL, NULL, NULL, to_char(a_month, 'YYYY-MM'));
    RETURN gone;
END
$prune$;
