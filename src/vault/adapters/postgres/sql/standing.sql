-- Who stands for a client: the client, or a representative under a recorded authority, asked anew at every act.
-- Source: design.md §2 (representative), §3.3; FI 703/2023 §49-52; GDPR Art. 15.

-- Whose code this is now: one that was the client's once, was mistyped, or was not taken over, stands for nobody (design.md §2).
CREATE OR REPLACE FUNCTION vault.client_with_code(a_code_mac bytea) RETURNS uuid
LANGUAGE sql STABLE
RETURN (SELECT k.client FROM vault.client_code k
    LEFT JOIN LATERAL (SELECT x.code_mac, x.code_taken FROM vault.client_about x WHERE x.client = k.client ORDER BY x.n DESC LIMIT 1) a ON true
    WHERE k.code_mac = a_code_mac AND coalesce(a.code_mac, k.code_mac) = k.code_mac AND coalesce(a.code_taken, true));

-- Is this authority in force? Days are inclusive; a guardian's ends on the 18th birthday, every one with the client's death;
-- one that a minor has barred gives nothing (FI 703/2023 §51).
CREATE OR REPLACE FUNCTION vault.authority_holds(a vault.authority, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN a.recorded_at <= as_of
    AND vault.helsinki_day(as_of) BETWEEN a.from_day AND coalesce(a.until_day, 'infinity')
    AND NOT EXISTS (SELECT FROM vault.authority_end x WHERE x.authority = a.id AND x.recorded_at <= as_of)
    AND NOT coalesce((SELECT b.barred FROM vault.authority_bar b WHERE b.authority = a.id AND b.recorded_at <= as_of ORDER BY b.n DESC LIMIT 1), false)
    AND (a.kind <> 'guardian' OR vault.helsinki_day(as_of) < (SELECT c.adult_on FROM vault.client c WHERE c.id = a.client))
    AND NOT EXISTS (SELECT FROM vault.client_death d WHERE d.client = a.client AND d.recorded_at <= as_of);

-- In matters of one case. to_act asks for more than seeing.
CREATE OR REPLACE FUNCTION vault.stands_for(t vault.token, a_case uuid, to_act boolean, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (
    SELECT FROM vault.client_case c
    WHERE c.id = a_case AND c.client = t.client AND (t.actor = 'client' OR (t.actor = 'representative' AND EXISTS (
        SELECT FROM vault.authority a
        WHERE a.id = t.authority AND a.client = c.client AND (a.case_id IS NULL OR a.case_id = c.id)
          AND (a.scope = 'act' OR NOT to_act) AND vault.authority_holds(a, as_of)))));

-- In matters of the client as a whole: an authority for one case is not enough.
CREATE OR REPLACE FUNCTION vault.stands_for_client(t vault.token, a_client uuid, to_act boolean, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN coalesce(t.client = a_client AND (t.actor = 'client' OR (t.actor = 'representative' AND EXISTS (
    SELECT FROM vault.authority a
    WHERE a.id = t.authority AND a.client = a_client AND a.case_id IS NULL
      AND (a.scope = 'act' OR NOT to_act) AND vault.authority_holds(a, as_of)))), false);

-- A representative sees specially protected content only where the authority names its class.
CREATE OR REPLACE FUNCTION vault.may_see_classes(t vault.token, classes text[], as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN coalesce(t.actor = 'client' OR (t.actor = 'representative' AND EXISTS (
    SELECT FROM vault.authority a WHERE a.id = t.authority AND classes <@ a.protected_classes AND vault.authority_holds(a, as_of))), false);

-- Who acts, as the log says it beside the principal: an id, no name.
CREATE OR REPLACE FUNCTION vault.acting_as(t vault.token) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'authority:' || t.authority;
