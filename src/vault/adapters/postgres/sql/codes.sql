-- Whom a personal identity code means: for who opens a case, finds a client, or asks at the desk. Who may sign in by one is decided
-- in standing.sql. Source: design.md §4 (a known code means the same client, without telling so); domain.md §12 (it may change).

-- Whom this code means: whose it is now or, where a records officer has confirmed that a person's code was changed, whose it was.
CREATE OR REPLACE FUNCTION vault.client_known_by(a_code_mac bytea) RETURNS uuid
LANGUAGE sql STABLE
RETURN coalesce(vault.client_with_code(a_code_mac), (SELECT f.client FROM vault.former_code f WHERE f.code_mac = a_code_mac));

-- Whom a coordinator means by it: as the code was given. One that was not taken over, since it stands for another person, is
-- found like one that was; else who gave it would learn of that person.
CREATE OR REPLACE FUNCTION vault.clients_given(a_code_mac bytea) RETURNS SETOF uuid
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT vault.client_known_by(a_code_mac)
    UNION SELECT a.client FROM vault.client_about a
    WHERE a.code_mac = a_code_mac AND NOT EXISTS (SELECT FROM vault.client_about x WHERE x.client = a.client AND x.n > a.n);
END;

-- Whom a case is opened for. Who gave this very code for a client of theirs means that client, unless they name the other one.
CREATE OR REPLACE FUNCTION vault.client_meant(t vault.token, a_code_mac bytea, a_name_mac bytea, as_of timestamptz) RETURNS uuid
LANGUAGE sql STABLE
RETURN (SELECT CASE WHEN k.name_mac IS NOT DISTINCT FROM a_name_mac THEN k.client ELSE coalesce((
        SELECT g FROM vault.clients_given(a_code_mac) g WHERE g <> k.client AND vault.coordinates(t, g, as_of) LIMIT 1), k.client) END
    FROM (SELECT w.client, (SELECT x.name_mac FROM vault.client_about x WHERE x.client = w.client ORDER BY x.n DESC LIMIT 1) AS name_mac
          FROM (SELECT vault.client_known_by(a_code_mac) AS client) w) k);

-- The code of a client that was in use last; null for who never had one.
CREATE OR REPLACE FUNCTION vault.code_last_used(a_client uuid) RETURNS bytea
LANGUAGE sql STABLE
RETURN (SELECT k.code_mac FROM vault.client_code k
    LEFT JOIN LATERAL (SELECT max(x.n) AS n FROM vault.client_about x WHERE x.client = k.client AND x.code_mac = k.code_mac AND x.code_taken) a ON true
    WHERE k.client = a_client ORDER BY a.n DESC NULLS LAST, k.recorded_at DESC LIMIT 1);

-- One code is registered once, whoever comes first: held until this transaction ends.
CREATE OR REPLACE FUNCTION vault.hold_code(a_code_mac bytea) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    SELECT pg_advisory_xact_lock(('x' || encode(substring(a_code_mac FOR 8), 'hex'))::bit(64)::bigint) WHERE a_code_mac IS NOT NULL;
END;
