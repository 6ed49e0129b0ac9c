-- The registry: agencies, applications, professionals. Run by the owner's role (vault agency …, vault application …), logged.

CREATE OR REPLACE FUNCTION vault.registry_entry(act text, an_agency text, an_application text, a_professional uuid, facts text) RETURNS vault.entry
LANGUAGE plpgsql VOLATILE
AS $entry$
DECLARE
    e vault.entry;
BEGIN
    e.act := act; e.actor := 'operator'; e.agency := an_agency; e.application := an_application; e.professional := a_professional; e.facts := facts;
    e.decision := 'permit';
    RETURN vault.write_entry(e);
END
$entry$;

CREATE OR REPLACE FUNCTION vault.agency_register(an_id text, a_name jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
BEGIN
    INSERT INTO vault.agency (id, name, recorded_at) VALUES (an_id, a_name, vault.clock());
    PERFORM vault.registry_entry('agency-register', an_id, NULL, NULL, NULL);
END
$act$;

CREATE OR REPLACE FUNCTION vault.unit_register(an_id text, an_agency text, a_name jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
BEGIN
    INSERT INTO vault.unit (id, agency, name, recorded_at) VALUES (an_id, an_agency, a_name, vault.clock());
    PERFORM vault.registry_entry('unit-register', an_agency, NULL, NULL, an_id);
END
$act$;

CREATE OR REPLACE FUNCTION vault.application_register(an_id text, an_agency text, dpop boolean, a_jwks_url text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
BEGIN
    INSERT INTO vault.application (id, agency, dpop_required, jwks_url, recorded_at) VALUES (an_id, an_agency, dpop, a_jwks_url, vault.clock());
    PERFORM vault.registry_entry('application-register', an_agency, an_id, NULL, NULL);
END
$act$;

CREATE OR REPLACE FUNCTION vault.application_key_add(an_application text, a_kid text, a_jwk jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
BEGIN
    IF a_jwk ? 'd' OR a_jwk ? 'k' THEN RAISE EXCEPTION 'a private key is never registered' USING ERRCODE = 'invalid_parameter_value'; END IF;
    INSERT INTO vault.application_key (application, kid, jwk, recorded_at) VALUES (an_application, a_kid, a_jwk, vault.clock());
    PERFORM vault.registry_entry('application-key-add', (SELECT a.agency FROM vault.application a WHERE a.id = an_application), an_application, NULL, a_kid);
END
$act$;

CREATE OR REPLACE FUNCTION vault.application_key_end(an_application text, a_kid text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
BEGIN
    INSERT INTO vault.application_key_end (application, kid, recorded_at) VALUES (an_application, a_kid, vault.clock());
    PERFORM vault.registry_entry('application-key-end', (SELECT a.agency FROM vault.application a WHERE a.id = an_application), an_application, NULL, a_kid);
END
$act$;

CREATE OR REPLACE FUNCTION vault.professional_register(an_id uuid, an_agency text, a_subject text, a_sealed_name bytea) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
BEGIN
    INSERT INTO vault.professional (id, agency, subject, sealed_name, recorded_at) VALUES (an_id, an_agency, a_subject, a_sealed_name, vault.clock());
    PERFORM vault.registry_entry('professional-register', an_agency, NULL, an_id, NULL);
END
$act$;

CREATE OR REPLACE FUNCTION vault.professional_role_add(an_agency text, a_subject text, a_role text, a_unit text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
DECLARE
    pro uuid := (SELECT p.id FROM vault.professional p WHERE p.agency = an_agency AND p.subject = a_subject);
BEGIN
    INSERT INTO vault.professional_role (professional, role, unit, recorded_at) VALUES (pro, a_role, a_unit, vault.clock());
    PERFORM vault.registry_entry('professional-role-add', an_agency, NULL, pro, concat_ws(' ', a_role, a_unit));
END
$act$;

CREATE OR REPLACE FUNCTION vault.professional_role_end(an_agency text, a_subject text, a_role text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
DECLARE
    pro uuid := (SELECT p.id FROM vault.professional p WHERE p.agency = an_agency AND p.subject = a_subject);
    now timestamptz := vault.clock();
BEGIN
    PERFORM vault.move('agency:' || an_agency);
    INSERT INTO vault.professional_role_end (role_row, recorded_at)
    SELECT r.n, now FROM vault.professional_role r WHERE r.professional = pro AND r.role = a_role ON CONFLICT DO NOTHING;
    -- What was issued for the role dies with it.
    INSERT INTO vault.token_end (secret_sha256, recorded_at)
    SELECT t.secret_sha256, now FROM vault.token t WHERE t.professional = pro AND t.role = a_role AND t.expires_at > now ON CONFLICT DO NOTHING;
    PERFORM vault.registry_entry('professional-role-end', an_agency, NULL, pro, a_role);
END
$act$;

-- Suspend or restore an agency (no application given) or one application: every token of it dies at once.
CREATE OR REPLACE FUNCTION vault.suspend(an_agency text, an_application text, now_suspended boolean) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    e vault.entry;
BEGIN
    PERFORM vault.move('agency:' || an_agency);
    e := vault.registry_entry(CASE WHEN now_suspended THEN 'suspend' ELSE 'restore' END, an_agency, an_application, NULL, NULL);
    INSERT INTO vault.suspension (agency, application, suspended, entry, recorded_at) VALUES (an_agency, an_application, now_suspended, e.id, now);
    IF now_suspended THEN
        INSERT INTO vault.token_end (secret_sha256, recorded_at)
        SELECT t.secret_sha256, now FROM vault.token t
        WHERE t.agency = an_agency AND (an_application IS NULL OR t.application = an_application) AND t.expires_at > now ON CONFLICT DO NOTHING;
    END IF;
    PERFORM vault.tell(CASE WHEN now_suspended THEN 'suspended' ELSE 'restored' END, 'agency:' || an_agency, e.id, now);
END
$act$;

-- The lookup key is made once, at set-up.
CREATE OR REPLACE FUNCTION vault.key_install(key vault.key_row) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $act$
BEGIN
    IF (key).kind <> 'lookup' THEN RAISE EXCEPTION 'only the lookup key is installed' USING ERRCODE = 'invalid_parameter_value'; END IF;
    INSERT INTO vault.wrapped_key (kind, subject, parent, wrapped, recorded_at)
    VALUES ((key).kind, (key).subject, (key).parent, (key).wrapped, vault.clock()) ON CONFLICT DO NOTHING;
    RETURN FOUND;
END
$act$;
