-- Running releases: cut when what permitted them has gone (promise P6), ended as unknown when nobody sends them any more.

-- One query renews the leases of all releases that a process sends; an entry that does not come back must be cut.
-- The versions tell cheaply that nothing has changed; where one has moved, or the token was ended (a session with its provider
-- too), the decision is made anew.
CREATE OR REPLACE FUNCTION vault.renew(a_process uuid, entries uuid[]) RETURNS uuid[]
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '500ms'
AS $renew$
DECLARE
    now timestamptz := vault.clock();
    today date := vault.helsinki_day(now);
    kept uuid[];
    c vault.clearance;
    t vault.token;
    versions bigint[];
BEGIN
    INSERT INTO vault.process AS p (id, seen_at) VALUES (a_process, now)
    ON CONFLICT (id) DO UPDATE SET seen_at = now WHERE p.seen_at < now - interval '5 seconds';
    SELECT coalesce(array_agg(x.entry), '{}') INTO kept FROM vault.clearance x
    WHERE x.entry = ANY (entries) AND x.taken_at IS NOT NULL AND x.day = today
      AND CASE x.act WHEN 'export' THEN vault.export_n(x.client, x.document) ELSE vault.row_of('case:' || x.case_id) END IS NOT DISTINCT FROM x.case_n
      AND (x.act = 'open' OR EXISTS (SELECT FROM vault.export_package p WHERE p.export = x.document AND p.expires_at > now))
      AND vault.row_of('client:' || x.client) IS NOT DISTINCT FROM x.client_n
      AND vault.row_of('agency:' || x.agency) IS NOT DISTINCT FROM x.agency_n
      AND NOT EXISTS (SELECT FROM vault.token_end e WHERE e.secret_sha256 = x.asker);
    FOR c IN SELECT * FROM vault.clearance x WHERE x.entry = ANY (entries) AND x.taken_at IS NOT NULL AND NOT x.entry = ANY (kept) LOOP
        versions := ARRAY[CASE c.act WHEN 'export' THEN vault.export_n(c.client, c.document) ELSE vault.row_of('case:' || c.case_id) END, vault.row_of('client:' || c.client), vault.row_of('agency:' || c.agency)];
        -- As in ask: what these versions count is not later than now.
        now := vault.clock(); today := vault.helsinki_day(now);
        -- A token that merely expired does not cut what it began; one that was ended does.
        SELECT k.* INTO t FROM vault.token k WHERE k.secret_sha256 = c.asker
            AND NOT EXISTS (SELECT FROM vault.token_end e WHERE e.secret_sha256 = k.secret_sha256);
        IF t.secret_sha256 IS NOT NULL AND NOT coalesce(vault.is_suspended(t.agency, t.application, now), false)
            AND (CASE c.act WHEN 'export' THEN vault.export_closed(t, (SELECT x FROM vault.export x WHERE x.id = c.document), now) IS NULL
                ELSE (vault.may_read(t, c.document, now)).decision = 'permit' END) THEN
            UPDATE vault.clearance SET case_n = versions[1], client_n = versions[2], agency_n = versions[3], day = today WHERE entry = c.entry;
            kept := kept || c.entry;
        END IF;
    END LOOP;
    RETURN kept;
END
$renew$;

-- Releases that nobody sends any more: their process has not been seen for a minute. Their outcome is unknown.
CREATE OR REPLACE FUNCTION vault.sweep_releases(dry_run boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $sweep$
DECLARE
    now timestamptz := vault.clock();
    c vault.clearance;
    e vault.entry;
    swept bigint := 0;
BEGIN
    FOR c IN SELECT x.* FROM vault.clearance x LEFT JOIN vault.process p ON p.id = x.process
             WHERE x.taken_at < now - interval '1 minute' AND (p.id IS NULL OR p.seen_at < now - interval '1 minute')
             FOR UPDATE OF x SKIP LOCKED LOOP
        swept := swept + 1;
        CONTINUE WHEN dry_run;
        SELECT * INTO e FROM vault.entry x WHERE x.id = c.entry;
        e.id := NULL; e.at := NULL; e.act := 'outcome'; e.salts := NULL; e.commitments := NULL; e.leaf := NULL;
        e.of_entry := c.entry; e.outcome := 'unknown'; e.bytes := NULL;
        PERFORM vault.write_entry(e);
        DELETE FROM vault.clearance x WHERE x.entry = c.entry;
    END LOOP;
    IF NOT dry_run THEN
        DELETE FROM vault.process p WHERE p.seen_at < now - interval '1 day'
            AND NOT EXISTS (SELECT FROM vault.clearance x WHERE x.process = p.id);
        DELETE FROM vault.clearance x WHERE x.taken_at IS NULL AND x.asked_at < now - interval '1 minute';
    END IF;
    RETURN swept;
END
$sweep$;

-- Attempts older than this that no filing points to: marked as ended first, so that a late commit is refused; the objects
-- of those returned may be deleted.
CREATE OR REPLACE FUNCTION vault.sweep_attempts(older_than interval, dry_run boolean) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $sweep$
DECLARE
    now timestamptz := vault.clock();
    name text;
BEGIN
    FOR name IN SELECT a.object FROM vault.attempt a
                WHERE a.recorded_at < now - older_than
                  AND NOT vault.is_stored(a.object)
                  AND NOT EXISTS (SELECT FROM vault.attempt_end x WHERE x.object = a.object)
                FOR UPDATE OF a SKIP LOCKED LOOP
        -- Looked at again under the lock: a commit that came first keeps its object.
        CONTINUE WHEN vault.is_stored(name);
        IF NOT dry_run THEN
            INSERT INTO vault.attempt_end (object, recorded_at) VALUES (name, now) ON CONFLICT DO NOTHING;
        END IF;
        RETURN NEXT name;
    END LOOP;
END
$sweep$;

-- Of these objects, those that may be deleted: their attempt was ended, nobody ever recorded one, or they were shredded.
CREATE OR REPLACE FUNCTION vault.objects_abandoned(names text[]) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
BEGIN ATOMIC
    SELECT coalesce(array_agg(n.name), '{}') FROM unnest(names) AS n (name)
    WHERE (NOT EXISTS (SELECT FROM vault.filing f WHERE f.object = n.name)
           AND (EXISTS (SELECT FROM vault.attempt_end x WHERE x.object = n.name)
                OR NOT EXISTS (SELECT FROM vault.attempt a WHERE a.object = n.name)))
       -- Its keys were destroyed, and its removal was stopped half-way.
       OR EXISTS (SELECT FROM vault.object_end x WHERE x.object = n.name);
END;

-- Documents and exports by their objects, page by page; one that is missing is lost content, which a person must look at.
CREATE OR REPLACE FUNCTION vault.filed_objects(after text, page_size integer) RETURNS TABLE (object text, document uuid, size_bytes bigint)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
BEGIN ATOMIC
    SELECT f.object, f.document, f.size_bytes
    FROM (SELECT f.object, f.document, f.size_bytes FROM vault.filing f
          UNION ALL SELECT p.object, p.export, p.size_bytes FROM vault.export_package p
          WHERE NOT EXISTS (SELECT FROM vault.attempt_end x WHERE x.object = p.object)) f
    WHERE f.object > after AND NOT EXISTS (SELECT FROM vault.object_end x WHERE x.object = f.object) ORDER BY f.object LIMIT page_size;
END;
