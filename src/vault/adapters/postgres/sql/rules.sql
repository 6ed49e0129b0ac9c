-- The decision, in the order in which the rules say it. Door, lists and explanation all call vault.decide.
-- Source: design.md §3.2, §3.3; FI 497/2003 §8-10 (origin), FI 703/2023 §10, §53, §58; GDPR Art. 7(3).

-- Days are days in Finland (consent forms speak of days).
CREATE OR REPLACE FUNCTION vault.helsinki_day(instant timestamptz) RETURNS date
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (instant AT TIME ZONE 'Europe/Helsinki')::date;

-- RFC 9562 §5.7: 48 bits of milliseconds, version 7, variant 2, the rest random.
CREATE OR REPLACE FUNCTION vault.uuid7(instant timestamptz) RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN encode(
    set_byte(substring(int8send((extract(epoch FROM instant) * 1000)::bigint) FROM 3) || substring(uuid_send(gen_random_uuid()) FROM 7),
        6, (get_byte(uuid_send(gen_random_uuid()), 0) & 15) | 112), 'hex')::uuid;

CREATE OR REPLACE FUNCTION vault.row_of(scope text) RETURNS bigint
LANGUAGE sql STABLE
RETURN (SELECT v.n FROM vault.fact_version v WHERE v.scope = row_of.scope);

-- Does a list of recipients name this asker? {"any": true} covers the agencies that existed when the consent was recorded;
-- naming an agency covers its units, naming a unit only that unit (unit '*' asks for any, for memberships, which are an
-- agency's); a role or a professional must be the asker's own.
CREATE OR REPLACE FUNCTION vault.names_recipient(
    recipients jsonb, agency text, unit text, role text, subject text, agency_since timestamptz, recorded_at timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN EXISTS (
    SELECT FROM jsonb_array_elements(recipients) AS r
    WHERE ((r ->> 'any') = 'true' AND agency_since <= recorded_at)
       OR ((r ->> 'agency') = agency
           AND ((r ->> 'unit') IS NULL OR unit = '*' OR (r ->> 'unit') = unit)
           AND ((r ->> 'role') IS NULL OR (r ->> 'role') = role)
           AND ((r ->> 'professional') IS NULL OR (r ->> 'professional') = subject)));

CREATE OR REPLACE FUNCTION vault.names_source(
    sources jsonb, source text, source_unit text, source_since timestamptz, recorded_at timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN EXISTS (
    SELECT FROM jsonb_array_elements(sources) AS s
    WHERE ((s ->> 'any') = 'true' AND source_since <= recorded_at)
       OR ((s ->> 'agency') = source AND ((s ->> 'unit') IS NULL OR (s ->> 'unit') = source_unit)));

-- A type covers later versions, one document covers that document alone; "muu" is covered only by naming the document.
CREATE OR REPLACE FUNCTION vault.names_document(
    documents jsonb, document uuid, type text, type_since timestamptz, recorded_at timestamptz) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN EXISTS (
    SELECT FROM jsonb_array_elements(documents) AS d
    WHERE ((d ->> 'any') = 'true' AND type <> 'muu' AND type_since <= recorded_at)
       OR ((d ->> 'type') = type AND type <> 'muu')
       OR ((d ->> 'document') = document::text));

-- In a deny a missing list, and "any", match everything: -infinity makes every agency and type older than the deny.
CREATE OR REPLACE FUNCTION vault.denies(
    recipients jsonb, sources jsonb, documents jsonb, actions text[], purposes text[], dated_from date, dated_until date,
    protected_classes text[], agency text, unit text, role text, subject text, source text, source_unit text, document uuid,
    type text, dated date, classes text[], action text, purpose text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (recipients IS NULL OR vault.names_recipient(recipients, agency, unit, role, subject, '-infinity', 'infinity'))
    AND (sources IS NULL OR vault.names_source(sources, source, source_unit, '-infinity', 'infinity'))
    AND (documents IS NULL OR vault.names_document(documents, document, type, '-infinity', 'infinity')
         OR (type = 'muu' AND (documents @> '[{"any": true}]' OR documents @> '[{"type": "muu"}]')))
    AND (actions IS NULL OR action = ANY (actions))
    AND (purposes IS NULL OR purpose = ANY (purposes))
    AND (dated_from IS NULL OR dated >= dated_from)
    AND (dated_until IS NULL OR dated <= dated_until)
    AND (protected_classes IS NULL OR protected_classes = '{}' OR protected_classes && classes);

-- Has an agency a place in the case today? A null role asks for any place (a system, or what the agency filed itself).
CREATE OR REPLACE FUNCTION vault.is_member(a_case uuid, an_agency text, a_role text, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (
    SELECT FROM vault.member m
    WHERE m.case_id = a_case AND m.agency = an_agency AND (a_role IS NULL OR m.role = a_role) AND m.recorded_at <= as_of
      AND vault.helsinki_day(as_of) BETWEEN m.from_day AND coalesce(m.until_day, 'infinity')
      AND NOT EXISTS (SELECT FROM vault.member_end e WHERE e.member = m.id AND e.recorded_at <= as_of));

CREATE OR REPLACE FUNCTION vault.is_suspended(an_agency text, an_application text, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN coalesce((SELECT s.suspended FROM vault.suspension s
                 WHERE s.agency = an_agency AND s.application IS NULL AND s.recorded_at <= as_of ORDER BY s.n DESC LIMIT 1), false)
    OR coalesce((SELECT s.suspended FROM vault.suspension s
                 WHERE s.agency = an_agency AND s.application = an_application AND s.recorded_at <= as_of ORDER BY s.n DESC LIMIT 1), false);

-- The recorded state of a case, null while nothing but its consents says how it stands.
CREATE OR REPLACE FUNCTION vault.recorded_state(a_case uuid, as_of timestamptz) RETURNS text
LANGUAGE sql STABLE
RETURN (SELECT nullif(s.state, 'open') FROM vault.case_state s
        WHERE s.case_id = a_case AND s.recorded_at <= as_of ORDER BY s.n DESC LIMIT 1);

-- Every provision of a case as it stood at an instant, with all that speaks against its being in force.
-- Each fault stands on its own: a consent can be both withdrawn and expired.
CREATE OR REPLACE FUNCTION vault.provisions_at(a_case uuid, as_of timestamptz)
RETURNS TABLE (
    consent uuid, n bigint, number integer, effect text, recipients jsonb, sources jsonb, documents jsonb, actions text[],
    purposes text[], dated_from date, dated_until date, protected_classes text[], future_documents boolean,
    signed_on date, recorded_at timestamptz, provisions_digest bytea, faults text[])
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT c.id, c.n, p.number, p.effect, p.recipients, p.sources, p.documents, p.actions, p.purposes, p.dated_from,
        p.dated_until, p.protected_classes, p.future_documents, c.signed_on, c.recorded_at, c.provisions_digest,
        array_remove(ARRAY[
            CASE WHEN today.day < c.valid_from THEN 'not-yet-valid' END,
            -- valid_until is the last day on which it holds; null is until further notice.
            CASE WHEN today.day > c.valid_until THEN 'expired' END,
            -- GDPR Art. 7(3): withdrawn at any time, whole or by clause.
            CASE WHEN EXISTS (SELECT FROM vault.withdrawal w WHERE w.consent = c.id AND w.recorded_at <= as_of
                              AND (w.provisions IS NULL OR p.number = ANY (w.provisions))) THEN 'withdrawn' END,
            CASE WHEN EXISTS (SELECT FROM vault.consent later WHERE later.replaces = c.id AND later.recorded_at <= as_of) THEN 'superseded' END,
            -- What a guardian signed lapses on the 18th birthday until the client confirms it.
            CASE WHEN c.capacity = 'guardian' AND today.day >= (SELECT cl.adult_on FROM vault.client cl WHERE cl.id = cc.client)
                  AND NOT EXISTS (SELECT FROM vault.consent_confirmation f WHERE f.consent = c.id AND f.recorded_at <= as_of)
                 THEN 'guardian-consent-lapsed' END,
            CASE WHEN EXISTS (SELECT FROM vault.client_death d WHERE d.client = cc.client AND d.recorded_at <= as_of AND d.died_on <= today.day)
                 THEN 'client-deceased' END], NULL)
    FROM (SELECT vault.helsinki_day(as_of) AS day) today
    JOIN vault.consent c ON c.case_id = a_case AND c.recorded_at <= as_of
    JOIN vault.client_case cc ON cc.id = c.case_id
    JOIN vault.provision p ON p.consent = c.id
    ORDER BY c.n, p.number;
END;

-- Is an act in force in the case for anybody (no agency given), or for this agency in this role?
CREATE OR REPLACE FUNCTION vault.in_force(a_case uuid, an_action text, an_agency text, a_unit text, a_role text, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (
    SELECT FROM vault.provisions_at(a_case, as_of) p LEFT JOIN vault.agency a ON a.id = an_agency
    WHERE p.effect = 'permit' AND p.faults = '{}' AND an_action = ANY (p.actions)
      AND (an_agency IS NULL OR vault.names_recipient(p.recipients, an_agency, a_unit, a_role, NULL, a.recorded_at, p.recorded_at)))
  AND NOT (an_agency IS NOT NULL AND EXISTS (
    SELECT FROM vault.provisions_at(a_case, as_of) p
    WHERE p.effect = 'deny' AND p.faults = '{}' AND (p.actions IS NULL OR an_action = ANY (p.actions))
      AND (p.documents IS NULL OR p.documents @> '[{"any": true}]') AND (p.sources IS NULL OR p.sources @> '[{"any": true}]')
      AND p.purposes IS NULL AND p.dated_from IS NULL AND p.dated_until IS NULL AND coalesce(p.protected_classes, '{}') = '{}'
      AND (p.recipients IS NULL OR vault.names_recipient(p.recipients, an_agency, nullif(a_unit, '*'), a_role, NULL, '-infinity', 'infinity'))));

-- The closed list of reasons, in the order in which they are told.
CREATE OR REPLACE FUNCTION vault.in_order(reasons text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(
    SELECT known FROM unnest(ARRAY['no-consent', 'not-yet-valid', 'expired', 'withdrawn', 'superseded', 'guardian-consent-lapsed',
        'client-deceased', 'recipient-not-covered', 'not-a-member', 'source-not-covered', 'document-not-covered', 'dated-outside',
        'future-document-not-covered', 'protected-class-not-named', 'action-not-covered', 'purpose-not-covered',
        'denied-by-provision', 'prohibited', 'case-closed', 'case-archived', 'document-retracted', 'document-misfiled',
        'agency-suspended']) WITH ORDINALITY AS list (known, place)
    WHERE known = ANY (reasons) ORDER BY place);

DO $types$
BEGIN
    IF to_regtype('vault.decision') IS NULL THEN
        CREATE TYPE vault.decision AS (
            decision text, basis text, consent uuid, provision integer, provisions_digest bytea, reasons text[]);
    END IF;
END
$types$;

-- May this agency, acting through this professional in this role, do this to this document for this purpose, as far as was
-- recorded at this instant? Every reason against is collected; one is enough to deny.
CREATE OR REPLACE FUNCTION vault.decide(
    a_document uuid, an_agency text, a_unit text, a_role text, a_subject text, an_action text, a_purpose text, as_of timestamptz)
RETURNS vault.decision
LANGUAGE plpgsql STABLE
-- Every statement here finds a few rows by their keys; planning each anew, because some argument is null, took a third of the time.
SET plan_cache_mode = force_generic_plan
AS $decide$
DECLARE
    d record;
    p record;
    faults text[];
    against text[] := '{}';
    handle text[];                    -- nearest miss of the clauses that let the case be handled; empty: in force
    handle_misses integer;
    reading text[];                   -- nearest miss of the clauses that could permit this act; empty: permitted
    reading_misses integer;
    any_provision boolean := false;
    any_action boolean := false;
    permitting vault.decision;
    denying vault.decision;
BEGIN
    -- (0) What is asked about. An unknown document runs the same statements and is denied at the end.
    SELECT doc.*, cc.client, ag.recorded_at AS agency_since, src.recorded_at AS source_since, ty.recorded_at AS type_since,
        vault.recorded_state(doc.case_id, as_of) AS state,
        EXISTS (SELECT FROM vault.document_mark k WHERE k.document = doc.id AND k.mark = 'retracted' AND k.recorded_at <= as_of) AS retracted,
        EXISTS (SELECT FROM vault.document_mark k WHERE k.document = doc.id AND k.mark = 'misfiled' AND k.recorded_at <= as_of
            AND NOT EXISTS (SELECT FROM vault.misfiled_decision j WHERE j.document = k.document AND j.decision = 'in-place' AND j.recorded_at <= as_of)) AS misfiled,
        EXISTS (SELECT FROM vault.client_death x WHERE x.client = cc.client AND x.recorded_at <= as_of AND x.died_on <= vault.helsinki_day(as_of)) AS deceased
    INTO d
    FROM (SELECT a_document AS id) asked
    -- A client's copy is for that client alone: to an agency it does not exist.
    LEFT JOIN vault.document doc ON doc.id = asked.id AND doc.recorded_at <= as_of AND doc.copy_of IS NULL
    LEFT JOIN vault.client_case cc ON cc.id = doc.case_id
    LEFT JOIN vault.agency src ON src.id = doc.source
    LEFT JOIN vault.catalogue_type ty ON ty.code = doc.type
    LEFT JOIN vault.agency ag ON ag.id = an_agency;

    -- (1) A suspended agency gets nothing.
    IF vault.is_suspended(an_agency, NULL, as_of) THEN against := against || 'agency-suspended'::text; END IF;
    -- (2) The client's death ends every consent.
    IF d.deceased THEN against := against || 'client-deceased'::text; END IF;
    -- (3) A case that is closing or closed is read by no agency; an archived one is the archive's.
    IF d.state IN ('closing', 'closed') THEN against := against || 'case-closed'::text; END IF;
    IF d.state IN ('in-transfer', 'archived') THEN against := against || 'case-archived'::text; END IF;
    -- (4) Retracted opens to nobody but the client, misfiled to nobody.
    IF d.retracted THEN against := against || 'document-retracted'::text; END IF;
    IF d.misfiled THEN against := against || 'document-misfiled'::text; END IF;

    -- (5) The clauses of the case, in the order of the forms.
    FOR p IN SELECT * FROM vault.provisions_at(d.case_id, as_of) LOOP
        IF p.effect = 'permit' THEN
            any_provision := true;
            -- handle opens nothing, but without it nothing opens.
            IF 'handle' = ANY (p.actions) THEN
                IF handle_misses IS NULL OR cardinality(p.faults) < handle_misses THEN
                    handle := p.faults; handle_misses := cardinality(p.faults);
                ELSIF cardinality(p.faults) = handle_misses THEN
                    handle := handle || p.faults;
                END IF;
            END IF;
            any_action := any_action OR an_action = ANY (p.actions);
            CONTINUE WHEN NOT an_action = ANY (p.actions)
                OR NOT vault.names_recipient(p.recipients, an_agency, a_unit, a_role, a_subject, d.agency_since, p.recorded_at);
            faults := p.faults || array_remove(ARRAY[
                CASE WHEN NOT vault.names_source(p.sources, d.source, d.source_unit, d.source_since, p.recorded_at) THEN 'source-not-covered' END,
                CASE WHEN NOT vault.names_document(p.documents, d.id, d.type, d.type_since, p.recorded_at) THEN 'document-not-covered' END,
                CASE WHEN d.dated < p.dated_from OR d.dated > p.dated_until THEN 'dated-outside' END,
                CASE WHEN d.dated > p.signed_on AND NOT p.future_documents THEN 'future-document-not-covered' END,
                -- A protected class must be named; a broad permit does not open it (FI 457/2024 §26).
                CASE WHEN NOT d.protected_classes <@ p.protected_classes THEN 'protected-class-not-named' END,
                CASE WHEN NOT a_purpose = ANY (p.purposes) THEN 'purpose-not-covered' END], NULL);
            IF faults = '{}' AND permitting IS NULL THEN
                permitting := ('permit', 'consent', p.consent, p.number, p.provisions_digest, '{consent}');
            END IF;
            IF reading_misses IS NULL OR cardinality(faults) < reading_misses THEN
                reading := faults; reading_misses := cardinality(faults);
            ELSIF cardinality(faults) = reading_misses THEN
                reading := reading || faults;
            END IF;
        ELSIF p.faults = '{}' AND denying IS NULL
            AND vault.denies(p.recipients, p.sources, p.documents, p.actions, p.purposes, p.dated_from, p.dated_until, p.protected_classes,
                an_agency, a_unit, a_role, a_subject, d.source, d.source_unit, d.id, d.type, d.dated, d.protected_classes, an_action, a_purpose) THEN
            -- (6) A deny beats every permit; the first one is told.
            against := against || 'denied-by-provision'::text;
            denying := ('deny', NULL, p.consent, p.number, p.provisions_digest, NULL);
        END IF;
    END LOOP;

    -- (7) An agency reads back what it filed itself while the case is open and it has a place in it.
    IF an_action = 'read' AND d.agency = an_agency AND against <@ '{denied-by-provision}' AND handle = '{}'
        AND vault.is_member(d.case_id, an_agency, NULL, as_of) THEN
        RETURN ('permit', 'own-document', NULL, NULL, NULL, '{own-document}')::vault.decision;
    END IF;

    -- (8) Reading on consent: a place in the case in this role, the case handled, a clause that permits.
    IF NOT vault.is_member(d.case_id, an_agency, a_role, as_of) THEN against := against || 'not-a-member'::text; END IF;
    against := against || coalesce(handle, '{no-consent}') || CASE
        WHEN NOT any_provision THEN '{no-consent}'::text[]
        WHEN NOT any_action THEN '{action-not-covered}'
        ELSE coalesce(reading, '{recipient-not-covered}') END;

    -- (9) A prohibition stands until the client ends it.
    IF EXISTS (SELECT FROM vault.prohibition b
        WHERE b.client = d.client AND (b.case_id IS NULL OR b.case_id = d.case_id) AND b.recorded_at <= as_of
          AND NOT EXISTS (SELECT FROM vault.prohibition_end e WHERE e.prohibition = b.id AND e.recorded_at <= as_of)
          AND vault.denies(b.recipients, b.sources, b.documents, b.actions, b.purposes, b.dated_from, b.dated_until, b.protected_classes,
              an_agency, a_unit, a_role, a_subject, d.source, d.source_unit, d.id, d.type, d.dated, d.protected_classes, an_action, a_purpose)) THEN
        against := against || 'prohibited'::text;
    END IF;

    -- (10) A document that does not exist is covered by nothing.
    IF d.id IS NULL THEN against := '{document-not-covered}'; END IF;

    IF against = '{}' THEN
        RETURN permitting;
    END IF;
    denying.decision := 'deny';
    denying.reasons := vault.in_order(against);
    RETURN denying;
END
$decide$;
