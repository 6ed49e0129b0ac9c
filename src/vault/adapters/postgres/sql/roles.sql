-- The roles of one cluster, made once by an administrator who may create roles (vault migrate --roles prints this file).
-- vault_door owns the keys' door: nobody can log in as it, and it is no superuser.
DO $roles$
DECLARE
    name text;
BEGIN
    -- Two databases of one cluster may be set up at once (tests do): one at a time, then look.
    PERFORM pg_advisory_xact_lock(7021001);
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vault_door') THEN
        CREATE ROLE vault_door NOLOGIN NOINHERIT;
    END IF;
    FOREACH name IN ARRAY ARRAY['vault_owner', 'vault_service', 'vault_tokens', 'vault_worker', 'vault_sequencer', 'vault_monitor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s', name,
                -- Only who inherits a function's owner may replace the function: the next version's migration does.
                CASE name WHEN 'vault_owner' THEN 'INHERIT' ELSE 'NOINHERIT' END);
        END IF;
    END LOOP;
    -- The owner installs the door's functions in the door's name; it is never used by a running service.
    IF NOT pg_has_role('vault_owner', 'vault_door', 'MEMBER') THEN
        GRANT vault_door TO vault_owner;
    END IF;
END
$roles$;
