-- One log entry: its disclosures, its leaf, its row. The bytes are specified in docs/spec/log-entry.md.

-- Four replacements take half the time of one translate, which looks at every character four times.
CREATE OR REPLACE FUNCTION vault.base64url(bytes bytea) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN rtrim(replace(replace(replace(encode(bytes, 'base64'), E'\n', ''), '+', '-'), '/', '_'), '=');

CREATE OR REPLACE FUNCTION vault.rfc3339(instant timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(instant AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');

-- The JSON text of every field, in the order of the specification; a field without a value is disclosed as null.
CREATE OR REPLACE FUNCTION vault.entry_fields(e vault.entry) RETURNS TABLE (place bigint, name text, value text)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT f.place, f.name, coalesce(f.value, 'null')
    FROM unnest(
        ARRAY['at', 'act', 'actor', 'agency', 'unit', 'application', 'professional', 'role', 'purpose', 'assertion', 'client', 'case',
            'document', 'document_type', 'source', 'action', 'decision', 'basis', 'consent', 'provision', 'provisions_digest', 'reasons',
            'confirmation', 'delivery', 'meeting', 'opening', 'of', 'outcome', 'bytes', 'range', 'facts'],
        ARRAY[to_json(vault.rfc3339(e.at))::text, to_json(e.act)::text, to_json(e.actor)::text, to_json(e.agency)::text, to_json(e.unit)::text,
            to_json(e.application)::text, to_json(e.professional)::text, to_json(e.role)::text, to_json(e.purpose)::text,
            to_json(vault.base64url(e.assertion))::text, to_json(e.client)::text, to_json(e.case_id)::text, to_json(e.document)::text,
            to_json(e.document_type)::text, to_json(e.source)::text, to_json(e.action)::text, to_json(e.decision)::text,
            to_json(e.basis)::text, to_json(e.consent)::text, to_json(e.provision)::text, to_json(vault.base64url(e.provisions_digest))::text,
            to_json(e.reasons)::text, to_json(e.confirmation)::text, to_json(e.delivery)::text, to_json(e.meeting)::text,
            to_json(e.opening)::text, to_json(e.of_entry)::text, to_json(e.outcome)::text, to_json(e.bytes)::text,
            to_json(e.byte_range)::text, to_json(e.facts)::text])
        WITH ORDINALITY AS f (name, value, place);
END;

-- Each field is committed to on its own, in the manner of RFC 9901 §4.2: SHA-256 over the base64url of [salt, name, value].
CREATE OR REPLACE FUNCTION vault.entry_commitments(e vault.entry) RETURNS bytea
LANGUAGE sql STABLE
RETURN (
    SELECT string_agg(sha256(convert_to(vault.base64url(convert_to(
        '["' || vault.base64url(substring(e.salts FROM (f.place::integer - 1) * 16 + 1 FOR 16)) || '","' || f.name || '",' || f.value || ']',
        'UTF8')), 'UTF8')), NULL ORDER BY f.place)
    FROM vault.entry_fields(e) f);

-- RFC 9162 §2.1.1: a leaf's hash is SHA-256 over 0x00 and its data; the data is a version byte, the id, the commitments.
CREATE OR REPLACE FUNCTION vault.entry_leaf(id uuid, commitments bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256('\x0001'::bytea || uuid_send(id) || commitments);

-- 512 bytes of salt, 16 for each field and some to spare: the one-step key derivation of NIST SP 800-56C r2 §4.1 with SHA-512
-- over 366 random bits. The seed is kept nowhere, so a salt that was shown tells nothing of the others. No literal here has a
-- backslash: how a body's backslashes are read is up to the session that calls it first.
CREATE OR REPLACE FUNCTION vault.salts() RETURNS bytea
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
AS $salts$
DECLARE
    seed bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
BEGIN
    RETURN sha512(int4send(1) || seed) || sha512(int4send(2) || seed) || sha512(int4send(3) || seed) || sha512(int4send(4) || seed)
        || sha512(int4send(5) || seed) || sha512(int4send(6) || seed) || sha512(int4send(7) || seed) || sha512(int4send(8) || seed);
END
$salts$;

-- Write one entry: id, salts and leaf are made here; the caller has filled the rest. It goes to the pending set, too.
CREATE OR REPLACE FUNCTION vault.write_entry(e vault.entry) RETURNS vault.entry
LANGUAGE plpgsql VOLATILE
AS $write$
BEGIN
    -- Nothing is acknowledged that a crash could lose; ask says so as a status, every other act ends here.
    IF current_setting('synchronous_commit') = 'off' THEN
        RAISE EXCEPTION 'synchronous_commit is off' USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    e.at := coalesce(e.at, vault.clock());
    e.id := coalesce(e.id, vault.uuid7(e.at));
    e.salts := vault.salts();
    e.leaf := vault.entry_leaf(e.id, vault.entry_commitments(e));
    INSERT INTO vault.entry SELECT e.*;
    INSERT INTO vault.entry_pending (entry, leaf) VALUES (e.id, e.leaf);
    RETURN e;
END
$write$;

-- Partitions by month of the UUIDv7; made ahead at every migration, and again by the worker. Run by the owner.
CREATE OR REPLACE FUNCTION vault.make_partitions(first_month date, months integer) RETURNS integer
LANGUAGE plpgsql VOLATILE
AS $partitions$
DECLARE
    month date;
    made integer := 0;
    bound text[];
BEGIN
    FOR i IN 0 .. months - 1 LOOP
        month := (date_trunc('month', first_month) + make_interval(months => i))::date;
        bound := ARRAY(SELECT rpad(lpad(to_hex((extract(epoch FROM (m AT TIME ZONE 'UTC')) * 1000)::bigint), 12, '0'), 32, '0')::uuid::text
            FROM unnest(ARRAY[month::timestamp, month + interval '1 month']) AS m);
        IF to_regclass('vault.entry_' || to_char(month, 'YYYYMM')) IS NULL THEN
            EXECUTE format('CREATE TABLE vault.%I PARTITION OF vault.entry FOR VALUES FROM (%L) TO (%L)', 'entry_' || to_char(month, 'YYYYMM'), bound[1], bound[2]);
            made := made + 1;
        END IF;
    END LOOP;
    RETURN made;
END
$partitions$;
