-- Authorities under which somebody acts for a client: recorded on a shown document, or given by the client; ended, barred.
-- Source: design.md §2 (representative); FI 703/2023 §49-51.

-- May this asker record, see and end the client's authorities by way of this case? Its coordinator (for the case alone), and
-- a records officer of its controller.
CREATE OR REPLACE FUNCTION vault.may_keep_authorities(t vault.token, a_case uuid, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN coalesce(vault.is_coordinator(t, a_case, as_of) OR (t.actor = 'records-officer'
    AND EXISTS (SELECT FROM vault.client_case c WHERE c.id = a_case AND c.controller = t.agency)), false);

CREATE OR REPLACE FUNCTION vault.authority_json(a vault.authority, as_of timestamptz) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_object('id', a.id, 'client', a.client, 'case', a.case_id, 'kind', a.kind, 'scope', a.scope, 'protected_classes', a.protected_classes,
    'from', a.from_day, 'until', a.until_day, 'given_by_client', a.given_by_client, 'about', vault.b64(a.sealed_about),
    'recorded_at', vault.rfc3339(a.recorded_at), 'in_force', vault.authority_holds(a, as_of),
    'ended_at', (SELECT vault.rfc3339(x.recorded_at) FROM vault.authority_end x WHERE x.authority = a.id),
    'barred', coalesce((SELECT b.barred FROM vault.authority_bar b WHERE b.authority = a.id ORDER BY b.n DESC LIMIT 1), false));

-- The lists: my-authorities (who may act for the asker), my-mandates (for whom the asker may act, to be chosen from), and a
-- case's authorities for those who keep them. register is what recording one needs: the lookup key and the register key.
CREATE OR REPLACE FUNCTION vault.authority_listing(t vault.token, target text, cc vault.client_case, after uuid, page_size integer, as_of timestamptz,
    OUT permitted boolean, OUT items jsonb, OUT keys text[])
LANGUAGE plpgsql STABLE
AS $listing$
DECLARE
    the_client uuid := CASE WHEN target IN ('authorities', 'authority-register') THEN cc.client ELSE t.client END;
    own vault.session;
BEGIN
    permitted := CASE target
        WHEN 'my-mandates' THEN t.actor IN ('client', 'representative')
        WHEN 'my-authorities' THEN t.actor = 'client'
        WHEN 'my-authority-register' THEN t.actor = 'client' AND t.client IS NOT NULL
        ELSE vault.may_keep_authorities(t, cc.id, as_of) AND cc.id IS NOT NULL END;
    IF target = 'my-mandates' THEN
        SELECT * INTO own FROM vault.session s WHERE s.secret_sha256 = t.secret_sha256;
        SELECT jsonb_agg(x.j ORDER BY x.id), array_agg('register:' || x.client) INTO items, keys FROM (
            SELECT a.id, a.client, vault.authority_json(a, as_of) || jsonb_build_object('client_about', (
                SELECT vault.b64(k.sealed) FROM vault.client_about k WHERE k.client = a.client ORDER BY k.n DESC LIMIT 1)) AS j
            FROM vault.authority a WHERE a.representative_mac IN (own.code_mac, own.identity_mac) AND a.id > after AND vault.authority_holds(a, as_of)
            ORDER BY a.id LIMIT page_size + 1) x
        WHERE permitted;
    ELSIF target IN ('my-authorities', 'authorities') THEN
        SELECT jsonb_agg(x.j ORDER BY x.id) INTO items FROM (
            SELECT a.id, vault.authority_json(a, as_of) AS j FROM vault.authority a
            WHERE a.client = the_client AND a.id > after AND (target = 'my-authorities' OR t.actor = 'records-officer' OR a.case_id IS NULL OR a.case_id = cc.id)
            ORDER BY a.id LIMIT page_size + 1) x
        WHERE permitted;
        keys := ARRAY['register:' || the_client];
    ELSE
        items := jsonb_build_array(jsonb_build_object('client', the_client));
        keys := ARRAY['lookup:lookup', 'register:' || the_client];
    END IF;
END
$listing$;

-- Record an authority. a_case null: all of the client's cases, which only the client, or a records officer by way of
-- shown_in, says. about: {"kind", "scope", "classes", "from", "until"}.
CREATE OR REPLACE FUNCTION vault.authority_record(
    secret bytea, an_authority uuid, a_case uuid, shown_in uuid, about jsonb, a_mac bytea, sealed bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    the_client uuid;
    by_client boolean := coalesce(t.actor = 'client', false);
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'authority-record', now);
    e.case_id := coalesce(a_case, shown_in);
    the_client := coalesce((SELECT c.client FROM vault.client_case c WHERE c.id = coalesce(a_case, shown_in)), t.client);
    e.client := the_client; e.facts := 'authority:' || an_authority;
    IF NOT coalesce(CASE WHEN by_client THEN the_client = t.client ELSE vault.may_keep_authorities(t, coalesce(a_case, shown_in), now) END, false)
        OR the_client IS NULL THEN
        RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL);
    END IF;
    IF (by_client AND about ->> 'kind' <> 'authorised') OR (a_case IS NULL AND NOT by_client AND t.actor <> 'records-officer') THEN
        RETURN vault.conclude(e, 'forbidden', '{recipient-not-covered}', NULL);
    END IF;
    PERFORM vault.move('client:' || the_client);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    IF the_client IN (SELECT vault.clients_given(a_mac)) THEN RETURN vault.conclude(e, 'own-representative', NULL, NULL); END IF;
    IF about ->> 'kind' = 'guardian' AND vault.helsinki_day(now) >= (SELECT c.adult_on FROM vault.client c WHERE c.id = the_client) THEN
        RETURN vault.conclude(e, 'client-of-age', NULL, NULL);
    END IF;
    IF NOT EXISTS (SELECT FROM vault.authority a WHERE a.id = an_authority AND a.client = the_client) THEN
        INSERT INTO vault.authority (id, client, case_id, kind, scope, protected_classes, representative_mac, from_day, until_day, sealed_about, given_by_client, entry, recorded_at)
        VALUES (an_authority, the_client, a_case, about ->> 'kind', about ->> 'scope', ARRAY(SELECT jsonb_array_elements_text(about -> 'classes')), a_mac,
            coalesce((about ->> 'from')::date, vault.helsinki_day(now)), (about ->> 'until')::date, sealed, by_client, e.id, now);
        PERFORM vault.tell('authority-recorded', 'client:' || the_client, e.id, now);
    END IF;
    RETURN vault.conclude(e, 'done', NULL, (SELECT jsonb_build_object('from', a.from_day) FROM vault.authority a WHERE a.id = an_authority));
END
$act$;

-- What every change of an authority begins with; status null: go on, with the client's facts locked.
CREATE OR REPLACE FUNCTION vault.authority_begin(secret bytea, an_authority uuid, an_act text, OUT t vault.token, OUT e vault.entry, OUT a vault.authority, OUT status text)
LANGUAGE plpgsql VOLATILE
AS $begin$
DECLARE
    now timestamptz := vault.clock();
BEGIN
    t := vault.live_asker(secret, now);
    IF t.secret_sha256 IS NULL THEN status := 'unauthenticated'; RETURN; END IF;
    SELECT * INTO a FROM vault.authority x WHERE x.id = an_authority;
    e := vault.entry_of(t, an_act, now);
    e.client := coalesce(a.client, t.client); e.facts := 'authority:' || an_authority;
    IF a.id IS NULL OR NOT coalesce(CASE WHEN t.actor = 'client' THEN a.client = t.client ELSE EXISTS (
            SELECT FROM vault.client_case c WHERE c.client = a.client AND vault.may_keep_authorities(t, c.id, now)
              AND (t.actor = 'records-officer' OR a.case_id = c.id)) END, false) THEN
        status := 'hidden'; RETURN;
    END IF;
    PERFORM vault.move('client:' || a.client);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
END
$begin$;

-- An authority that ends, or is barred, takes the representative's sessions with it.
CREATE OR REPLACE FUNCTION vault.authority_sessions_end(an_authority uuid, as_of timestamptz) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO vault.token_end (secret_sha256, recorded_at)
    SELECT k.secret_sha256, as_of FROM vault.token k WHERE k.authority = an_authority AND k.expires_at > as_of ON CONFLICT DO NOTHING;
END;

-- The client ends what they gave; a guardian's and a continuing power end by whoever was shown that they have.
CREATE OR REPLACE FUNCTION vault.authority_end(secret bytea, an_authority uuid) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    b record;
    e vault.entry;
BEGIN
    SELECT * INTO b FROM vault.authority_begin(secret, an_authority, 'authority-end');
    IF b.status = 'unauthenticated' THEN RETURN vault.unauthenticated(); END IF;
    e := b.e;
    IF b.status IS NOT NULL THEN RETURN vault.conclude(e, b.status, '{not-a-member}', NULL); END IF;
    IF (b.t).actor = 'client' AND (b.a).kind <> 'authorised' THEN RETURN vault.conclude(e, 'forbidden', '{recipient-not-covered}', NULL); END IF;
    INSERT INTO vault.authority_end (authority, entry, recorded_at) VALUES (an_authority, e.id, e.at) ON CONFLICT DO NOTHING;
    PERFORM vault.authority_sessions_end(an_authority, e.at);
    PERFORM vault.tell('authority-ended', 'client:' || (b.a).client, e.id, e.at);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- FI 703/2023 §51: a minor who can decide may keep a guardian from seeing; it is theirs alone to say, and to take back.
CREATE OR REPLACE FUNCTION vault.authority_bar(secret bytea, an_authority uuid, now_barred boolean) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    b record;
    e vault.entry;
BEGIN
    SELECT * INTO b FROM vault.authority_begin(secret, an_authority, CASE WHEN now_barred THEN 'authority-bar' ELSE 'authority-unbar' END);
    IF b.status = 'unauthenticated' THEN RETURN vault.unauthenticated(); END IF;
    e := b.e;
    IF b.status IS NOT NULL THEN RETURN vault.conclude(e, b.status, '{not-a-member}', NULL); END IF;
    IF (b.t).actor <> 'client' OR (b.a).kind <> 'guardian' THEN RETURN vault.conclude(e, 'forbidden', '{recipient-not-covered}', NULL); END IF;
    INSERT INTO vault.authority_bar (authority, barred, entry, recorded_at) VALUES (an_authority, now_barred, e.id, e.at);
    IF now_barred THEN PERFORM vault.authority_sessions_end(an_authority, e.at); END IF;
    PERFORM vault.tell(CASE WHEN now_barred THEN 'authority-barred' ELSE 'authority-unbarred' END, 'client:' || (b.a).client, e.id, e.at);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- ---------------------------------------------------------------- people without a personal identity code (eIDAS)

-- A code for the person who has signed in and is not known, to be given to who is shown their papers.
CREATE OR REPLACE FUNCTION vault.identity_offer(secret bytea, a_code_sha256 bytea) RETURNS vault.done
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
    e := vault.entry_of(t, 'identity-offer', now);
    IF t.actor <> 'client' OR t.client IS NOT NULL THEN RETURN vault.conclude(e, 'forbidden', '{recipient-not-covered}', NULL); END IF;
    e.facts := NULL;
    INSERT INTO vault.identity_offer (code_sha256, identity_mac, entry, recorded_at)
    SELECT a_code_sha256, s.identity_mac, e.id, now FROM vault.session s WHERE s.secret_sha256 = t.secret_sha256;
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- The person who was given this code is the client of this case; from their next sign-in on they are found.
CREATE OR REPLACE FUNCTION vault.identity_link(secret bytea, a_case uuid, a_code_sha256 bytea) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    the_mac bytea;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_in(t, 'identity-link', a_case, now);
    IF NOT vault.may_keep_authorities(t, a_case, now) OR e.client IS NULL THEN RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL); END IF;
    PERFORM vault.move('client:' || e.client);
    SELECT o.identity_mac INTO the_mac FROM vault.identity_offer o WHERE o.code_sha256 = a_code_sha256 AND o.recorded_at > now - interval '14 days';
    IF the_mac IS NULL OR EXISTS (SELECT FROM vault.client_identity i WHERE i.identity_mac = the_mac AND i.client <> e.client) THEN
        RETURN vault.conclude(e, 'unknown-identity', NULL, NULL);
    END IF;
    INSERT INTO vault.client_identity (identity_mac, client, entry, recorded_at) VALUES (the_mac, e.client, e.id, now) ON CONFLICT DO NOTHING;
    PERFORM vault.tell('identity-linked', 'client:' || e.client, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;
