-- Keeping the log's tree. The sequencer computes, these functions store: in one transaction, appending only.

-- The tree's head; made at the first start, with the root of the empty tree (RFC 9162 §2.1.1: SHA-256 of nothing).
CREATE OR REPLACE FUNCTION vault.tree_begin(an_origin text) RETURNS vault.tree
LANGUAGE sql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
BEGIN ATOMIC
    INSERT INTO vault.tree (origin, size, root, uncosigned_since) VALUES (an_origin, 0, sha256(''::bytea), vault.clock()) ON CONFLICT DO NOTHING;
    SELECT t FROM vault.tree t;
END;

-- Entries that wait; any order will do, since an entry is in the pending set from the commit that made it.
CREATE OR REPLACE FUNCTION vault.tree_batch(at_most integer) RETURNS TABLE (entry uuid, leaf bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
BEGIN ATOMIC
    SELECT p.entry, p.leaf FROM vault.entry_pending p ORDER BY p.entry LIMIT at_most;
END;

-- Append one batch: the head is compared and swapped, the entries leave the pending set for their positions, the tiles grow.
-- False when the head is another one; an error, and no change, when anything else does not fit.
-- levels, ns, ats, gains: for each tile, the hashes that it gains behind its first ats hashes.
CREATE OR REPLACE FUNCTION vault.tree_append(old_size bigint, old_root bytea, new_root bytea, entries uuid[], leaves bytea[],
    levels integer[], ns bigint[], ats integer[], gains bytea[]) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $append$
DECLARE
    done bigint;
BEGIN
    UPDATE vault.tree SET size = old_size + cardinality(entries), root = new_root, uncosigned_since = coalesce(uncosigned_since, vault.clock())
    WHERE size = old_size AND root = old_root;
    IF NOT FOUND THEN RETURN false; END IF;
    DELETE FROM vault.entry_pending p USING unnest(entries, leaves) AS b (entry, leaf) WHERE p.entry = b.entry AND p.leaf = b.leaf;
    GET DIAGNOSTICS done = ROW_COUNT;
    IF done <> cardinality(entries) OR cardinality(leaves) <> cardinality(entries) THEN
        RAISE EXCEPTION 'the batch is not of entries that wait' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    IF (SELECT string_agg(g.hashes, NULL ORDER BY g.n) FROM unnest(levels, ns, gains) AS g (level, n, hashes) WHERE g.level = 0)
            IS DISTINCT FROM (SELECT string_agg(b.leaf, NULL ORDER BY b.place) FROM unnest(leaves) WITH ORDINALITY AS b (leaf, place)) THEN
        RAISE EXCEPTION 'the tiles are not of these leaves' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    INSERT INTO vault.entry_position (leaf_index, entry)
    SELECT old_size + b.place - 1, b.entry FROM unnest(entries) WITH ORDINALITY AS b (entry, place);
    UPDATE vault.tree_tile t SET hashes = t.hashes || g.hashes FROM unnest(levels, ns, ats, gains) AS g (level, n, at, hashes)
    WHERE g.at > 0 AND t.level = g.level AND t.n = g.n AND length(t.hashes) = g.at * 32;
    GET DIAGNOSTICS done = ROW_COUNT;
    IF done <> (SELECT count(*) FROM unnest(ats) AS g (at) WHERE g.at > 0) THEN
        RAISE EXCEPTION 'a tile has another width' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    INSERT INTO vault.tree_tile (level, n, hashes)
    SELECT g.level, g.n, g.hashes FROM unnest(levels, ns, ats, gains) AS g (level, n, at, hashes) WHERE g.at = 0;
    RETURN true;
END
$append$;

-- Store a signed checkpoint of the tree as it is. Earlier ones of the same day that nobody cosigned are no longer needed.
CREATE OR REPLACE FUNCTION vault.checkpoint_publish(a_size bigint, a_root bytea, a_note text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $publish$
DECLARE
    now timestamptz := vault.clock();
BEGIN
    PERFORM FROM vault.tree t WHERE t.size = a_size AND t.root = a_root FOR UPDATE;
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO vault.checkpoint (size, root, note, signed_at) VALUES (a_size, a_root, a_note, now) ON CONFLICT (size) DO NOTHING;
    DELETE FROM vault.checkpoint c WHERE c.size < a_size AND c.cosigned_at IS NULL AND c.signed_at >= date_trunc('day', now);
    RETURN true;
END
$publish$;

-- Store the cosigned note, and say since when the tree is not cosigned.
CREATE OR REPLACE FUNCTION vault.checkpoint_cosign(a_size bigint, a_root bytea, a_note text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $cosign$
DECLARE
    now timestamptz := vault.clock();
BEGIN
    UPDATE vault.tree SET uncosigned_since = CASE WHEN size > a_size
        THEN coalesce((SELECT min(c.signed_at) FROM vault.checkpoint c WHERE c.size > a_size), now) END;
    INSERT INTO vault.checkpoint (size, root, note, signed_at, cosigned_at) VALUES (a_size, a_root, a_note, now, now)
    ON CONFLICT (size) DO UPDATE SET note = excluded.note, cosigned_at = now WHERE vault.checkpoint.root = excluded.root;
    DELETE FROM vault.checkpoint c WHERE c.size < a_size AND c.signed_at >= date_trunc('day', now);
END
$cosign$;

-- The newest checkpoint and the newest cosigned one, which may be the same.
CREATE OR REPLACE FUNCTION vault.log_checkpoints()
    RETURNS TABLE (size bigint, root bytea, note text, signed_at timestamptz, cosigned_at timestamptz, uncosigned_since timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
BEGIN ATOMIC
    SELECT c.size, c.root, c.note, c.signed_at, c.cosigned_at, t.uncosigned_since
    FROM vault.tree t, vault.checkpoint c
    WHERE c.size IN ((SELECT max(x.size) FROM vault.checkpoint x), (SELECT max(x.size) FROM vault.checkpoint x WHERE x.cosigned_at IS NOT NULL))
    ORDER BY c.size;
END;

CREATE OR REPLACE FUNCTION vault.log_tiles(levels integer[], ns bigint[]) RETURNS TABLE (level integer, n bigint, hashes bytea)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
BEGIN ATOMIC
    SELECT t.level, t.n, t.hashes FROM unnest(levels, ns) AS w (level, n) JOIN vault.tree_tile t ON t.level = w.level AND t.n = w.n;
END;

-- Where an entry stands; leaf_index is null while it waits, and there is no row for what is no entry.
CREATE OR REPLACE FUNCTION vault.log_place(an_entry uuid) RETURNS TABLE (leaf_index bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
BEGIN ATOMIC
    SELECT p.leaf_index FROM vault.entry_position p WHERE p.entry = an_entry
    UNION ALL SELECT NULL FROM vault.entry_pending w WHERE w.entry = an_entry;
END;

-- Make an entry tell nothing of a person: its commitments stay, its salts and every value that leads to a person go. The
-- leaf, and with it the tree, stays as it was. Run by the owner, for an entry whose time is over; itself logged.
CREATE OR REPLACE FUNCTION vault.entry_erase(an_entry uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $erase$
DECLARE
    e vault.entry;
    kept bytea;
BEGIN
    SELECT * INTO e FROM vault.entry x WHERE x.id = an_entry FOR UPDATE;
    IF e.id IS NULL OR e.salts IS NULL THEN RETURN false; END IF;
    kept := vault.entry_commitments(e);
    IF vault.entry_leaf(e.id, kept) <> e.leaf THEN
        RAISE EXCEPTION 'the entry is not what was committed, so nothing is erased' USING ERRCODE = 'integrity_constraint_violation';
    END IF;
    UPDATE vault.entry SET commitments = kept, salts = NULL, professional = NULL, assertion = NULL, client = NULL, case_id = NULL, document = NULL,
        consent = NULL, provision = NULL, provisions_digest = NULL, reasons = NULL, confirmation = NULL, delivery = NULL, meeting = NULL,
        opening = NULL, of_entry = NULL, bytes = NULL, byte_range = NULL, facts = NULL
    WHERE id = an_entry;
    PERFORM vault.registry_entry('entry-erase', NULL, NULL, NULL, an_entry::text);
    RETURN true;
END
$erase$;
