-- Sessions, for the tokens role alone: the service's role can record, prolong and exchange none.
-- Source: design.md §3.1 (who asks is read from the database), §3.3; FI 306/2019 §6; FI 703/2023 §8.

-- The providers in force, newest row of each id; a staff provider whose agency or application is suspended is not.
CREATE OR REPLACE FUNCTION vault.provider_now(an_id text) RETURNS vault.provider
LANGUAGE sql STABLE
RETURN (SELECT p FROM vault.provider p
        WHERE p.id = an_id AND p.n = (SELECT max(x.n) FROM vault.provider x WHERE x.id = an_id) AND NOT p.ended
          AND (p.agency IS NULL OR NOT vault.is_suspended(p.agency, p.application, vault.clock())));

-- Whether a session may begin by this provider. It stays so until this transaction ends: provider_end waits for it, and finds
-- the session then.
CREATE OR REPLACE FUNCTION vault.hold_provider(an_id text) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $hold$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtextextended('vault.provider ' || an_id, 0));
    RETURN (vault.provider_now(an_id)).id IS NOT NULL;
END
$hold$;

CREATE OR REPLACE FUNCTION vault.providers() RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(jsonb_build_object('id', (p.one).id, 'kind', (p.one).kind, 'issuer', (p.one).issuer, 'client_id', (p.one).client_id,
        'agency', (p.one).agency, 'agency_name', (SELECT a.name FROM vault.agency a WHERE a.id = (p.one).agency), 'about', (p.one).about) ORDER BY (p.one).id), '[]')
    FROM (SELECT vault.provider_now(x.id) AS one FROM (SELECT DISTINCT id FROM vault.provider) x) p WHERE (p.one).id IS NOT NULL;
END;

-- Keep what the provider signed, once: the same ID token opens one session.
CREATE OR REPLACE FUNCTION vault.keep_identification(a_digest bytea, sealed bytea, as_of timestamptz) RETURNS boolean
LANGUAGE plpgsql VOLATILE
AS $keep$
BEGIN
    INSERT INTO vault.burnt (kind, digest, expires_at) VALUES ('id-token', a_digest, as_of + interval '1 day') ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN false; END IF;
    INSERT INTO vault.assertion (digest, sealed, recorded_at) VALUES (a_digest, sealed, as_of) ON CONFLICT DO NOTHING;
    RETURN true;
END
$keep$;

-- Somebody whom a provider has just identified: for a minute they may ask for the lookup key, by which they are found.
CREATE OR REPLACE FUNCTION vault.visitor_record(a_secret_sha256 bytea, a_provider text, a_digest bytea, sealed bytea) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $record$
DECLARE
    now timestamptz := vault.clock();
    p vault.provider := vault.provider_now(a_provider);
BEGIN
    IF p.id IS NULL OR p.kind <> 'client' THEN RETURN 'unknown-provider'; END IF;
    IF NOT vault.keep_identification(a_digest, sealed, now) THEN RETURN 'replayed'; END IF;
    INSERT INTO vault.token (secret_sha256, actor, acts, assertion, issued_at, expires_at)
    VALUES (a_secret_sha256, 'visitor', '{find}', a_digest, now, now + interval '1 minute');
    RETURN 'recorded';
END
$record$;

-- What every session's beginning writes beside its token. about: {"acr", "language", "idle_s", "lasts_s", "identified_at"}.
CREATE OR REPLACE FUNCTION vault.session_begin(t vault.token, a_provider text, code_mac bytea, identity_mac bytea, about jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE
AS $begin$
DECLARE
    e vault.entry;
BEGIN
    t.expires_at := t.issued_at + make_interval(secs => least((about ->> 'idle_s')::integer, (about ->> 'lasts_s')::integer));
    IF (about ->> 'lasts_s')::integer > 12 * 3600 THEN
        RAISE EXCEPTION 'no session lasts that long' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    INSERT INTO vault.token SELECT t.*;
    INSERT INTO vault.session (secret_sha256, provider, code_mac, identity_mac, acr, language, idle_s, identified_at, ends_at)
    VALUES (t.secret_sha256, a_provider, session_begin.code_mac, session_begin.identity_mac, about ->> 'acr', about ->> 'language', (about ->> 'idle_s')::integer,
        least((about ->> 'identified_at')::timestamptz, t.issued_at), t.issued_at + make_interval(secs => (about ->> 'lasts_s')::integer));
    e := vault.entry_of(t, 'sign-in', t.issued_at);
    e.decision := 'permit';
    PERFORM vault.write_entry(e);
END
$begin$;

-- A client's session for a visitor, who ends with it. Somebody of whom nothing is kept has a session without a client.
CREATE OR REPLACE FUNCTION vault.session_record(visitor_sha256 bytea, a_secret_sha256 bytea, a_provider text, a_code_mac bytea, an_identity_mac bytea, about jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $record$
DECLARE
    now timestamptz := vault.clock();
    visitor vault.token;
    t vault.token;
BEGIN
    IF NOT vault.hold_provider(a_provider) THEN RETURN 'unknown-provider'; END IF;
    INSERT INTO vault.token_end (secret_sha256, recorded_at)
    SELECT k.secret_sha256, now FROM vault.token k WHERE k.secret_sha256 = visitor_sha256 AND k.actor = 'visitor' AND k.expires_at > now
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN 'no-visitor'; END IF;
    SELECT * INTO visitor FROM vault.token k WHERE k.secret_sha256 = visitor_sha256;
    t.secret_sha256 := a_secret_sha256; t.actor := 'client'; t.assertion := visitor.assertion; t.issued_at := now;
    t.client := coalesce(vault.client_with_code(a_code_mac),
        (SELECT i.client FROM vault.client_identity i WHERE i.identity_mac = an_identity_mac));
    PERFORM vault.session_begin(t, a_provider, a_code_mac, an_identity_mac, about);
    RETURN 'recorded';
END
$record$;

-- A professional's session: what the provider says of them must be what the agency registered. Without a role, the only one.
CREATE OR REPLACE FUNCTION vault.session_record_staff(
    a_secret_sha256 bytea, a_provider text, a_subject text, a_role text, a_unit text, a_purpose text, a_digest bytea, sealed bytea, identity bytea, about jsonb) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $record$
DECLARE
    now timestamptz := vault.clock();
    p vault.provider;
    t vault.token;
    held vault.professional_role[];
BEGIN
    IF vault.hold_provider(a_provider) THEN p := vault.provider_now(a_provider); END IF;
    IF p.id IS NULL OR p.kind <> 'staff' THEN RETURN 'unknown-provider'; END IF;
    IF NOT vault.keep_identification(a_digest, sealed, now) THEN RETURN 'replayed'; END IF;
    t.professional := (SELECT x.id FROM vault.professional x WHERE x.agency = p.agency AND x.subject = a_subject);
    IF t.professional IS NULL THEN RETURN 'unknown-professional'; END IF;
    held := ARRAY(SELECT r FROM vault.professional_role r WHERE r.professional = t.professional AND (a_role IS NULL OR r.role = a_role)
        AND (a_unit IS NULL OR r.unit = a_unit) AND NOT EXISTS (SELECT FROM vault.professional_role_end x WHERE x.role_row = r.n) ORDER BY r.unit NULLS FIRST, r.n);
    IF cardinality(held) = 0 THEN RETURN 'role-not-registered'; END IF;
    IF a_role IS NULL AND EXISTS (SELECT FROM unnest(held) h WHERE h.role <> (held[1]).role) THEN RETURN 'role-needed'; END IF;
    t.secret_sha256 := a_secret_sha256; t.assertion := a_digest; t.issued_at := now;
    t.agency := p.agency; t.application := p.application; t.role := (held[1]).role; t.unit := (held[1]).unit; t.purpose := a_purpose;
    t.actor := CASE t.role WHEN 'records-officer' THEN 'records-officer' ELSE 'professional' END;
    PERFORM vault.session_begin(t, a_provider, NULL, identity, about);
    RETURN 'recorded';
END
$record$;

-- Who a session speaks for, while it is alive; using it moves its idle end, never past its last end.
CREATE OR REPLACE FUNCTION vault.session_touch(a_secret_sha256 bytea) RETURNS jsonb
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $touch$
DECLARE
    now timestamptz := vault.clock();
    t vault.token;
    s vault.session;
    idle_end timestamptz;
BEGIN
    SELECT * INTO s FROM vault.session x WHERE x.secret_sha256 = a_secret_sha256;
    SELECT * INTO t FROM vault.token k WHERE k.secret_sha256 = s.secret_sha256 AND k.expires_at > now
        AND NOT EXISTS (SELECT FROM vault.token_end x WHERE x.secret_sha256 = k.secret_sha256);
    IF t.secret_sha256 IS NULL OR coalesce(vault.is_suspended(t.agency, t.application, now), false) THEN RETURN NULL; END IF;
    idle_end := least(now + make_interval(secs => s.idle_s), s.ends_at);
    IF idle_end > t.expires_at + make_interval(secs => least(30, s.idle_s / 10.0)) THEN
        UPDATE vault.token k SET expires_at = idle_end WHERE k.secret_sha256 = t.secret_sha256;
    ELSE
        idle_end := t.expires_at;
    END IF;
    RETURN jsonb_strip_nulls(jsonb_build_object('actor', t.actor, 'client', t.client, 'authority', t.authority, 'agency', t.agency, 'unit', t.unit,
        'application', t.application, 'subject', vault.subject_of(t), 'role', t.role, 'purpose', t.purpose, 'provider', s.provider, 'acr', s.acr,
        'language', s.language, 'identified_at', vault.rfc3339(s.identified_at), 'seen_at', vault.rfc3339(now), 'idle_ends_at', vault.rfc3339(idle_end), 'ends_at', vault.rfc3339(s.ends_at)));
END
$touch$;

CREATE OR REPLACE FUNCTION vault.session_end(a_secret_sha256 bytea) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $end$
DECLARE
    now timestamptz := vault.clock();
    t vault.token;
    e vault.entry;
BEGIN
    SELECT k.* INTO t FROM vault.token k JOIN vault.session s ON s.secret_sha256 = k.secret_sha256 WHERE k.secret_sha256 = a_secret_sha256;
    IF t.secret_sha256 IS NULL THEN RETURN false; END IF;
    INSERT INTO vault.token_end (secret_sha256, recorded_at) VALUES (a_secret_sha256, now) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN false; END IF;
    -- What runs under it is looked at again, and cut.
    PERFORM vault.move('client:' || t.client) WHERE t.client IS NOT NULL;
    PERFORM vault.move('agency:' || t.agency) WHERE t.agency IS NOT NULL;
    e := vault.entry_of(t, 'sign-out', now);
    e.decision := 'permit';
    PERFORM vault.write_entry(e);
    RETURN true;
END
$end$;

CREATE OR REPLACE FUNCTION vault.session_language(a_secret_sha256 bytea, a_language text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $language$
BEGIN
    UPDATE vault.session s SET language = a_language FROM vault.token k
    WHERE s.secret_sha256 = a_secret_sha256 AND k.secret_sha256 = s.secret_sha256 AND k.expires_at > vault.clock()
      AND NOT coalesce(vault.is_suspended(k.agency, k.application, vault.clock()), false)
      AND NOT EXISTS (SELECT FROM vault.token_end x WHERE x.secret_sha256 = k.secret_sha256);
    RETURN FOUND;
END
$language$;

-- Act for another from here on, or (authority null) for oneself again: a new session takes the old one's place.
CREATE OR REPLACE FUNCTION vault.session_act_for(a_secret_sha256 bytea, a_new_sha256 bytea, an_authority uuid) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token;
    s vault.session;
    a vault.authority;
    e vault.entry;
BEGIN
    SELECT * INTO s FROM vault.session x WHERE x.secret_sha256 = a_secret_sha256;
    SELECT * INTO t FROM vault.token k WHERE k.secret_sha256 = s.secret_sha256 AND k.expires_at > now AND k.actor IN ('client', 'representative');
    IF t.secret_sha256 IS NULL OR NOT vault.hold_provider(s.provider) THEN RETURN 'no-session'; END IF;
    SELECT * INTO a FROM vault.authority x WHERE x.id = an_authority AND x.representative_mac IN (s.code_mac, s.identity_mac) AND vault.authority_holds(x, now);
    IF an_authority IS NOT NULL AND a.id IS NULL THEN RETURN 'no-authority'; END IF;
    INSERT INTO vault.token_end (secret_sha256, recorded_at) VALUES (a_secret_sha256, now) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN 'no-session'; END IF;
    t.secret_sha256 := a_new_sha256; t.issued_at := now; t.authority := a.id;
    t.actor := CASE WHEN a.id IS NULL THEN 'client' ELSE 'representative' END;
    t.client := CASE WHEN a.id IS NOT NULL THEN a.client ELSE coalesce(vault.client_with_code(s.code_mac),
        (SELECT i.client FROM vault.client_identity i WHERE i.identity_mac = s.identity_mac)) END;
    t.expires_at := least(now + make_interval(secs => s.idle_s), s.ends_at);
    INSERT INTO vault.token SELECT t.*;
    s.secret_sha256 := a_new_sha256;
    INSERT INTO vault.session SELECT s.*;
    e := vault.entry_of(t, 'act-for', now);
    e.decision := 'permit';
    PERFORM vault.write_entry(e);
    RETURN 'recorded';
END
$act$;

-- ---------------------------------------------------------------- the operator's side

CREATE OR REPLACE FUNCTION vault.provider_register(an_id text, a_kind text, an_issuer text, a_client_id text, an_application text, about jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
DECLARE
    the_agency text := (SELECT a.agency FROM vault.application a WHERE a.id = an_application);
BEGIN
    INSERT INTO vault.provider (id, kind, issuer, client_id, agency, application, about, ended, recorded_at)
    VALUES (an_id, a_kind, an_issuer, a_client_id, the_agency, an_application, about, false, vault.clock());
    PERFORM vault.registry_entry('provider-register', the_agency, an_application, NULL, an_id);
END
$act$;

-- A provider that is not trusted any more: nobody signs in with it, every session that it opened ends at once, and
-- what runs under one is cut: renew looks at ended tokens.
CREATE OR REPLACE FUNCTION vault.provider_end(an_id text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
DECLARE
    now timestamptz := vault.clock();
    p vault.provider;
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('vault.provider ' || an_id, 0));
    SELECT * INTO p FROM vault.provider x WHERE x.id = an_id ORDER BY x.n DESC LIMIT 1;
    IF p.id IS NULL OR p.ended THEN RETURN false; END IF;
    INSERT INTO vault.provider (id, kind, issuer, client_id, agency, application, about, ended, recorded_at)
    VALUES (p.id, p.kind, p.issuer, p.client_id, p.agency, p.application, p.about, true, now);
    INSERT INTO vault.token_end (secret_sha256, recorded_at)
    SELECT s.secret_sha256, now FROM vault.session s WHERE s.provider = an_id AND s.ends_at > now ON CONFLICT DO NOTHING;
    PERFORM vault.registry_entry('provider-end', p.agency, p.application, NULL, an_id);
    RETURN true;
END
$act$;
