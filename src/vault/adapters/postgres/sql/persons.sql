-- What changed about a client: name, personal identity code, language, turvakielto; and the client's death. Recorded by a
-- coordinator of one of the client's cases. Source: design.md §3.2 (death), §4 (PATCH /v1/clients).

-- Whether this asker coordinates one of the client's cases now.
CREATE OR REPLACE FUNCTION vault.coordinates(t vault.token, a_client uuid, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM vault.client_case c WHERE c.client = a_client AND vault.is_coordinator(t, c.id, as_of));

-- What is registered about a client. n is the number of its row, which a change builds on.
CREATE OR REPLACE FUNCTION vault.registered_json(a_client uuid) RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT jsonb_build_object('n', a.n, 'about', vault.b64(a.sealed), 'language', a.language, 'address_protected', a.address_protected)
    FROM vault.client_about a WHERE a.client = a_client ORDER BY a.n DESC LIMIT 1);

-- Append what is registered from now on: what is null in changed stays as it was. The first row of a client comes from here too.
CREATE OR REPLACE FUNCTION vault.append_about(changed vault.client_about, as_of timestamptz) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO vault.client_about (client, n, sealed, name_mac, born_mac, code_mac, code_taken, language, interpreter, address_protected, recorded_at)
    SELECT changed.client, coalesce(a.n, 0) + 1, coalesce(changed.sealed, a.sealed), coalesce(changed.name_mac, a.name_mac),
        coalesce(changed.born_mac, a.born_mac), coalesce(changed.code_mac, a.code_mac), coalesce(changed.code_taken, a.code_taken, true), coalesce(changed.language, a.language),
        coalesce(changed.interpreter, a.interpreter), coalesce(changed.address_protected, a.address_protected), as_of
    FROM (SELECT) one LEFT JOIN (SELECT * FROM vault.client_about x WHERE x.client = changed.client ORDER BY x.n DESC LIMIT 1) a ON true;
END;

-- Register what changed; a missing argument stays as it was. sealed holds name, birth day and code;
-- sealed_otherwise the same with the code as it was, for a code that stands for another person: that one is not taken over,
-- and the caller is answered, and finds what they find, as always, since they may not know of the other person.
CREATE OR REPLACE FUNCTION vault.client_change(secret bytea, a_client uuid, a_n integer, sealed bytea, sealed_otherwise bytea,
    a_name_mac bytea, a_code_mac bytea, a_language text, is_protected boolean) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    whose uuid;
    before bytea;
    given bytea;
    changed vault.client_about;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'client-change', now);
    e.client := a_client;
    IF NOT vault.coordinates(t, a_client, now) THEN RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL); END IF;
    PERFORM vault.hold_code(a_code_mac);
    PERFORM vault.move('client:' || a_client);
    IF (vault.registered_json(a_client) ->> 'n')::integer IS DISTINCT FROM a_n THEN RETURN ROW('again', NULL, NULL, NULL, NULL, NULL)::vault.done; END IF;
    e.facts := concat_ws(' ', CASE WHEN a_name_mac IS NOT NULL THEN 'name' END, CASE WHEN a_code_mac IS NOT NULL THEN 'personal-identity-code' END,
        CASE WHEN a_language IS NOT NULL THEN 'language' END, CASE WHEN is_protected IS NOT NULL THEN 'address-protected' END);
    whose := vault.client_known_by(a_code_mac); before := vault.code_last_used(a_client);
    given := (SELECT a.code_mac FROM vault.client_about a WHERE a.client = a_client ORDER BY a.n DESC LIMIT 1);
    changed.client := a_client; changed.name_mac := a_name_mac; changed.language := a_language; changed.address_protected := is_protected;
    changed.sealed := CASE WHEN whose <> a_client THEN sealed_otherwise ELSE client_change.sealed END; changed.code_mac := a_code_mac;
    changed.code_taken := CASE WHEN a_code_mac IS NOT NULL THEN (whose <> a_client) IS NOT TRUE END;
    PERFORM vault.append_about(changed, now);
    -- The same code refused again is no news.
    IF a_code_mac IS NOT NULL AND a_code_mac IS DISTINCT FROM before AND (whose <> a_client AND a_code_mac = given) IS NOT TRUE THEN
        -- The code before stands for nobody from now on, whatever became of the new one: it may have been mistyped, and be somebody
        -- else's. Who signed in by it is out; a records officer hears of it.
        INSERT INTO vault.client_code (code_mac, client, recorded_at)
        SELECT a_code_mac, a_client, now WHERE whose IS NULL OR whose = a_client ON CONFLICT DO NOTHING;
        INSERT INTO vault.token_end (secret_sha256, recorded_at)
        SELECT k.secret_sha256, now FROM vault.token k JOIN vault.session s ON s.secret_sha256 = k.secret_sha256
        WHERE k.client = a_client AND k.actor = 'client' AND k.expires_at > now AND s.code_mac <> a_code_mac ON CONFLICT DO NOTHING;
        INSERT INTO vault.difference (id, client, case_id, fields, former_mac, recorded_at)
        SELECT vault.uuid7(now), a_client, c.id, CASE WHEN whose <> a_client THEN '{personal_identity_code}' ELSE '{former_personal_identity_code}' END::text[], before, now
        FROM vault.client_case c WHERE c.client = a_client AND vault.is_coordinator(t, c.id, now) AND (before IS NOT NULL OR whose <> a_client)
        ORDER BY c.id DESC LIMIT 1;
    END IF;
    PERFORM vault.tell('client-changed', 'client:' || a_client, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- The client's death ends every consent.
CREATE OR REPLACE FUNCTION vault.client_died(secret bytea, a_client uuid, a_day date) RETURNS vault.done
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
    e := vault.entry_of(t, 'client-died', now);
    e.client := a_client;
    IF NOT vault.coordinates(t, a_client, now) THEN RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL); END IF;
    IF a_day > vault.helsinki_day(now) THEN RETURN vault.conclude(e, 'died-in-future', NULL, NULL); END IF;
    PERFORM vault.move('client:' || a_client);
    INSERT INTO vault.client_death (client, died_on, entry, recorded_at) VALUES (a_client, a_day, e.id, now) ON CONFLICT DO NOTHING;
    PERFORM vault.tell('client-died', 'client:' || a_client, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;
