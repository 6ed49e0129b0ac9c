-- For the tokens role alone: what a token rests on, and its recording. The service's role can call none of this.

CREATE OR REPLACE FUNCTION vault.application_record(a_client_id text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
BEGIN ATOMIC
    SELECT jsonb_build_object('client_id', a.id, 'agency', a.agency, 'dpop_required', a.dpop_required, 'jwks_url', a.jwks_url,
        'suspended', vault.is_suspended(a.agency, a.id, vault.clock()),
        'keys', (SELECT coalesce(jsonb_agg(k.jwk ORDER BY k.recorded_at, k.kid), '[]') FROM vault.application_key k WHERE k.application = a.id
            AND NOT EXISTS (SELECT FROM vault.application_key_end x WHERE x.application = k.application AND x.kid = k.kid)))
    FROM vault.application a WHERE a.id = a_client_id;
END;

-- Record one token and burn its assertion's jti, in one transaction: recorded, or why not.
CREATE OR REPLACE FUNCTION vault.token_record(
    a_secret_sha256 bytea, an_actor text, an_application text, a_subject text, a_role text, a_unit text, a_purpose text,
    assertion_digest bytea, sealed_assertion bytea, jti_digest bytea, jti_expires_at timestamptz, token_expires_at timestamptz, a_jkt text) RETURNS text
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $record$
DECLARE
    now timestamptz := vault.clock();
    app vault.application;
    pro vault.professional;
BEGIN
    SELECT * INTO app FROM vault.application a WHERE a.id = an_application;
    IF app.id IS NULL THEN RETURN 'unknown-application'; END IF;
    INSERT INTO vault.burnt (kind, digest, expires_at) VALUES ('assertion', jti_digest, jti_expires_at) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN 'replayed'; END IF;
    IF vault.is_suspended(app.agency, app.id, now) THEN RETURN 'suspended'; END IF;
    IF an_actor NOT IN ('professional', 'system') OR token_expires_at > now + interval '6 minutes' THEN
        RAISE EXCEPTION 'not a token that this role may record' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF an_actor = 'professional' THEN
        SELECT * INTO pro FROM vault.professional p WHERE p.agency = app.agency AND p.subject = a_subject;
        IF pro.id IS NULL THEN RETURN 'unknown-professional'; END IF;
        IF NOT EXISTS (SELECT FROM vault.professional_role r WHERE r.professional = pro.id AND r.role = a_role
                AND NOT EXISTS (SELECT FROM vault.professional_role_end x WHERE x.role_row = r.n)) THEN
            RETURN 'role-not-registered';
        END IF;
        -- Who is registered in a unit acts in that unit, so that a clause that names or denies the unit binds them.
        IF NOT EXISTS (SELECT FROM vault.professional_role r WHERE r.professional = pro.id AND r.role = a_role AND r.unit IS NOT DISTINCT FROM a_unit
                AND NOT EXISTS (SELECT FROM vault.professional_role_end x WHERE x.role_row = r.n)) THEN
            RETURN 'unit-not-registered';
        END IF;
    END IF;
    INSERT INTO vault.assertion (digest, sealed, recorded_at) VALUES (assertion_digest, sealed_assertion, now) ON CONFLICT DO NOTHING;
    INSERT INTO vault.token (secret_sha256, actor, agency, unit, application, professional, role, purpose, assertion, jkt, issued_at, expires_at)
    -- A records officer is an actor of their own: no consent names one, and no case has one as a member.
    VALUES (a_secret_sha256, CASE WHEN a_role = 'records-officer' THEN 'records-officer' ELSE an_actor END, app.agency, a_unit, app.id, pro.id, a_role, a_purpose, assertion_digest, a_jkt, now, token_expires_at);
    RETURN 'recorded';
END
$record$;

CREATE OR REPLACE FUNCTION vault.token_revoke(a_secret_sha256 bytea, an_application text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $revoke$
DECLARE
    t vault.token;
BEGIN
    SELECT * INTO t FROM vault.token x WHERE x.secret_sha256 = a_secret_sha256 AND x.application = an_application;
    IF t.secret_sha256 IS NULL THEN RETURN false; END IF;
    INSERT INTO vault.token_end (secret_sha256, recorded_at) VALUES (a_secret_sha256, vault.clock()) ON CONFLICT DO NOTHING;
    PERFORM vault.move('agency:' || t.agency);
    RETURN true;
END
$revoke$;

-- A one-time digest (a DPoP proof's jti): true the first time.
CREATE OR REPLACE FUNCTION vault.burn(a_kind text, a_digest bytea, an_expiry timestamptz) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $burn$
BEGIN
    INSERT INTO vault.burnt (kind, digest, expires_at) VALUES (a_kind, a_digest, an_expiry) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$burn$;

-- Forget what can no longer be replayed, and tokens long expired (their entries stay).
CREATE OR REPLACE FUNCTION vault.forget_expired() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $forget$
DECLARE
    gone bigint;
BEGIN
    DELETE FROM vault.burnt b WHERE b.expires_at < vault.clock() - interval '10 minutes';
    GET DIAGNOSTICS gone = ROW_COUNT;
    DELETE FROM vault.idempotency i WHERE i.recorded_at < vault.clock() - interval '24 hours';
    DELETE FROM vault.identity_offer o WHERE o.recorded_at < vault.clock() - interval '14 days';
    DELETE FROM vault.token t WHERE t.expires_at < vault.clock() - interval '1 day'
        AND NOT EXISTS (SELECT FROM vault.clearance c WHERE c.asker = t.secret_sha256);
    RETURN gone;
END
$forget$;
