-- What one application opened and was denied, for a breach report (GDPR Art. 33, 34): ids, codes and times, no names.
-- For the monitor's role. Asking for a report is an entry of its own, committed before the first row can be read.

-- Begin a report; returns its entry, or null when there is no such application.
CREATE OR REPLACE FUNCTION vault.report_begin(an_application text, since timestamptz, before timestamptz) RETURNS uuid
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $begin$
DECLARE
    e vault.entry;
BEGIN
    e.agency := (SELECT a.agency FROM vault.application a WHERE a.id = an_application);
    IF e.agency IS NULL THEN RETURN NULL; END IF;
    e.act := 'log-report'; e.actor := 'operator'; e.application := an_application; e.decision := 'permit';
    e.facts := vault.rfc3339(since) || '/' || vault.rfc3339(before);
    RETURN (vault.write_entry(e)).id;
END
$begin$;

-- One page of the report that was begun, upwards by id; how a release ended stands with the entry that announced it.
CREATE OR REPLACE FUNCTION vault.report_page(a_report uuid, after uuid, at_most integer)
    RETURNS TABLE (entry uuid, at timestamptz, act text, decision text, outcome text, bytes bigint, agency text, unit text, application text,
        professional uuid, role text, purpose text, client uuid, case_id uuid, document uuid, document_type text, source text, action text,
        basis text, consent uuid, provision integer, reasons text[], confirmation text[], byte_range text, facts text)
LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
BEGIN ATOMIC
    WITH report AS (
        SELECT r.application, split_part(r.facts, '/', 1)::timestamptz AS since, split_part(r.facts, '/', 2)::timestamptz AS before
        FROM vault.entry r WHERE r.id = a_report AND r.act = 'log-report'
    ), page AS MATERIALIZED (
        SELECT e.* FROM report r JOIN vault.entry e ON e.application = r.application
            AND e.id >= vault.first_id(r.since) AND e.id < vault.first_id(r.before) AND e.at >= r.since AND e.at < r.before
        WHERE e.act NOT IN ('outcome', 'log-report') AND e.id > after
        ORDER BY e.id LIMIT at_most
    ), ended AS MATERIALIZED (
        SELECT o.of_entry, o.outcome, o.bytes FROM vault.entry o
        WHERE o.case_id IN (SELECT p.case_id FROM page p) AND o.act = 'outcome' AND o.id > after
    )
    SELECT p.id, p.at, p.act, p.decision, o.outcome, o.bytes, p.agency, p.unit, p.application, p.professional, p.role, p.purpose, p.client,
        p.case_id, p.document, p.document_type, p.source, p.action, p.basis, p.consent, p.provision, p.reasons, p.confirmation, p.byte_range, p.facts
    FROM page p LEFT JOIN ended o ON o.of_entry = p.id ORDER BY p.id;
END;
