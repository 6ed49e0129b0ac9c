-- What the client, or who stands for them, decides by themselves: prohibitions, the pause, the language, the confirmation of
-- what a guardian signed. Each moves the client's version, so that a running download is looked at again (promise P6).

-- May this asker act for the client, as a whole or in one case?
CREATE OR REPLACE FUNCTION vault.acts_for(t vault.token, a_client uuid, a_case uuid, as_of timestamptz) RETURNS boolean
LANGUAGE plpgsql STABLE
AS $acts$
BEGIN
    IF a_case IS NULL THEN RETURN vault.stands_for_client(t, a_client, true, as_of); END IF;
    RETURN vault.stands_for(t, a_case, true, as_of);
END
$acts$;

-- Every agency that holds a paper which the prohibition may reach is told, in each case; what was sent before stays sent (promise P6).
CREATE OR REPLACE FUNCTION vault.notify_holders(b vault.prohibition) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO vault.notice (id, agency, kind, case_id, entry, recorded_at)
    SELECT vault.uuid7(b.recorded_at), x.agency, 'prohibition-recorded', x.case_id, b.entry, b.recorded_at
    FROM (SELECT DISTINCT k.agency, d.case_id FROM vault.client_case c
          JOIN vault.document d ON d.case_id = c.id JOIN vault.known k ON k.document = d.id
          WHERE c.client = b.client AND (b.case_id IS NULL OR c.id = b.case_id)) x
    WHERE b.recipients IS NULL OR EXISTS (
        SELECT FROM jsonb_array_elements(b.recipients) r WHERE r ->> 'any' = 'true' OR r ->> 'agency' = x.agency);
END;

-- A client's standing deny; null lists match everything.
CREATE OR REPLACE FUNCTION vault.prohibition_record(secret bytea, a_prohibition uuid, a_case uuid, scope jsonb) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    wrong text;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'prohibition-record', now);
    e.case_id := a_case;
    IF NOT vault.acts_for(t, t.client, a_case, now)
        OR (a_case IS NOT NULL AND NOT EXISTS (SELECT FROM vault.client_case c WHERE c.id = a_case AND c.client = t.client)) THEN
        RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL);
    END IF;
    -- What is mistyped would look like protection and be none.
    wrong := vault.unknown_named(jsonb_build_array(scope), ARRAY(SELECT c.id FROM vault.client_case c WHERE c.client = t.client));
    IF wrong IS NOT NULL THEN RETURN vault.conclude(e, 'unknown-named', NULL, jsonb_build_object('field', split_part(wrong, '.', 2))); END IF;
    PERFORM vault.move('client:' || t.client);
    IF EXISTS (SELECT FROM vault.prohibition b WHERE b.id = a_prohibition AND b.client = t.client) THEN RETURN vault.conclude(e, 'done', NULL, NULL); END IF;
    INSERT INTO vault.prohibition (id, client, case_id, recipients, sources, documents, actions, purposes, dated_from, dated_until, protected_classes, entry, recorded_at)
    VALUES (a_prohibition, t.client, a_case, nullif(scope -> 'recipients', 'null'), nullif(scope -> 'sources', 'null'), nullif(scope -> 'documents', 'null'),
        CASE jsonb_typeof(scope -> 'actions') WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(scope -> 'actions')) END,
        CASE jsonb_typeof(scope -> 'purposes') WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(scope -> 'purposes')) END,
        (scope -> 'dated' ->> 'from')::date, (scope -> 'dated' ->> 'until')::date,
        CASE jsonb_typeof(scope -> 'protected_classes') WHEN 'array' THEN ARRAY(SELECT jsonb_array_elements_text(scope -> 'protected_classes')) END, e.id, now);
    PERFORM vault.notify_holders(b) FROM vault.prohibition b WHERE b.id = a_prohibition;
    PERFORM vault.tell('prohibition-recorded', 'client:' || t.client, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

CREATE OR REPLACE FUNCTION vault.prohibition_end(secret bytea, a_prohibition uuid) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    b vault.prohibition;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    SELECT * INTO b FROM vault.prohibition x WHERE x.id = a_prohibition AND x.client = t.client;
    e := vault.entry_of(t, 'prohibition-end', now);
    e.case_id := b.case_id;
    IF b.id IS NULL OR NOT vault.acts_for(t, b.client, b.case_id, now) THEN
        RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL);
    END IF;
    -- A restriction is a records officer's to end, after the person was told.
    IF b.request IS NOT NULL THEN RETURN vault.conclude(e, 'officers-to-end', NULL, NULL); END IF;
    PERFORM vault.move('client:' || t.client);
    INSERT INTO vault.prohibition_end (prohibition, entry, recorded_at) VALUES (a_prohibition, e.id, now) ON CONFLICT DO NOTHING;
    PERFORM vault.tell('prohibition-ended', 'client:' || t.client, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- One press: nobody reads anything on consent any more, in any case. Pressing twice is pressing once.
CREATE OR REPLACE FUNCTION vault.pause(secret bytea, a_prohibition uuid) RETURNS vault.done
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
    e := vault.entry_of(t, 'pause', now);
    IF NOT vault.acts_for(t, t.client, NULL, now) THEN RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL); END IF;
    PERFORM vault.move('client:' || t.client);
    -- Another press may have come while this one waited.
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    IF vault.is_paused(t.client, now) THEN RETURN vault.conclude(e, 'done', NULL, '{"paused": true}'); END IF;
    INSERT INTO vault.prohibition (id, client, pause, entry, recorded_at) VALUES (a_prohibition, t.client, true, e.id, now);
    PERFORM vault.notify_holders(b) FROM vault.prohibition b WHERE b.id = a_prohibition;
    PERFORM vault.tell('paused', 'client:' || t.client, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, '{"paused": true}');
END
$act$;

-- The pause ends; every other prohibition stays, and so does every withdrawal.
CREATE OR REPLACE FUNCTION vault.resume(secret bytea) RETURNS vault.done
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
    e := vault.entry_of(t, 'resume', now);
    IF NOT vault.acts_for(t, t.client, NULL, now) THEN RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL); END IF;
    PERFORM vault.move('client:' || t.client);
    now := vault.clock(); e.id := vault.uuid7(now); e.at := now;
    INSERT INTO vault.prohibition_end (prohibition, entry, recorded_at)
    SELECT b.id, e.id, now FROM vault.prohibition b WHERE b.client = t.client AND b.pause ON CONFLICT DO NOTHING;
    PERFORM vault.tell('resumed', 'client:' || t.client, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, '{"paused": false}');
END
$act$;

-- After the 18th birthday the client confirms what a guardian signed; nobody does it for them.
CREATE OR REPLACE FUNCTION vault.consent_confirm(secret bytea, a_consent uuid) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    c vault.consent;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    SELECT x.* INTO c FROM vault.consent x JOIN vault.client_case k ON k.id = x.case_id AND k.client = t.client WHERE x.id = a_consent;
    e := vault.entry_of(t, 'consent-confirm', now);
    e.case_id := c.case_id; e.consent := a_consent; e.provisions_digest := c.provisions_digest;
    IF t.actor <> 'client' OR c.id IS NULL THEN RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL); END IF;
    PERFORM vault.move('case:' || c.case_id);
    IF EXISTS (SELECT FROM vault.consent_confirmation f WHERE f.consent = a_consent) THEN RETURN vault.conclude(e, 'done', NULL, NULL); END IF;
    -- A confirmation given before the birthday would undo the rule that the consent lapses on it.
    IF NOT vault.can_confirm(c, now) THEN RETURN vault.conclude(e, 'nothing-to-confirm', NULL, NULL); END IF;
    INSERT INTO vault.consent_confirmation (consent, entry, recorded_at) VALUES (a_consent, e.id, now) ON CONFLICT DO NOTHING;
    PERFORM vault.tell('consent-confirmed', 'case:' || c.case_id, e.id, now);
    RETURN vault.conclude(e, 'done', NULL, NULL);
END
$act$;

-- The language in which the client is served; what else is registered stays as it is.
CREATE OR REPLACE FUNCTION vault.client_language(secret bytea, a_language text) RETURNS vault.done
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $act$
DECLARE
    now timestamptz := vault.clock();
    t vault.token := vault.live_asker(secret, now);
    e vault.entry;
    spoken vault.client_about;
BEGIN
    IF t.secret_sha256 IS NULL THEN RETURN vault.unauthenticated(); END IF;
    e := vault.entry_of(t, 'client-language', now);
    e.facts := a_language;
    IF NOT vault.acts_for(t, t.client, NULL, now) THEN RETURN vault.conclude(e, 'hidden', '{not-a-member}', NULL); END IF;
    PERFORM vault.move('client:' || t.client);
    IF vault.registered_json(t.client) ->> 'language' <> a_language THEN
        spoken.client := t.client; spoken.language := a_language;
        PERFORM vault.append_about(spoken, now);
    END IF;
    RETURN vault.conclude(e, 'done', NULL, jsonb_build_object('language', a_language));
END
$act$;
