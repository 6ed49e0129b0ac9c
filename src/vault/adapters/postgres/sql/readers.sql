-- Who could open a case's papers now. vault.decide judges, as it does at the door; what stands here only spares it from being
-- asked the same thing twice: it is asked once for all asks that its clauses cannot tell apart.

-- Every way in which agencies could open papers of a case: one row for a reader, a basis, a clause and a set of purposes and
-- protected classes, with the documents. A reader is an agency in a role of its own in the case, narrowed to a unit or to one
-- professional where a clause or a prohibition names them; what an agency filed itself it reads in any role (role null).
-- A unit or a professional that clauses name and that can open nothing has a row without a basis.
CREATE OR REPLACE FUNCTION vault.readers_of(a_case uuid, as_of timestamptz)
RETURNS TABLE (agency text, unit text, role text, one_person text, basis text, consent uuid, provision integer, purposes text[], classes text[], documents uuid[])
LANGUAGE sql STABLE
SET jit = off
BEGIN ATOMIC
    WITH today AS (
        SELECT vault.helsinki_day(as_of) AS day
    ), clause AS MATERIALIZED (
        -- What can permit a read, and what can deny one.
        SELECT row_number() OVER () AS c, p.effect, p.recipients, p.sources, p.documents, p.purposes, p.dated_from, p.dated_until,
            p.protected_classes, p.future_documents, p.signed_on, p.recorded_at
        FROM vault.provisions_at(a_case, as_of) p
        WHERE p.faults = '{}' AND (p.actions IS NULL OR 'read' = ANY (p.actions))
        UNION ALL
        SELECT -row_number() OVER (), 'deny', b.recipients, b.sources, b.documents, b.purposes, b.dated_from, b.dated_until, b.protected_classes, true, NULL, NULL
        FROM vault.client_case cc JOIN vault.prohibition b ON b.client = cc.client AND (b.case_id IS NULL OR b.case_id = cc.id)
        WHERE cc.id = a_case AND b.recorded_at <= as_of AND (b.actions IS NULL OR 'read' = ANY (b.actions))
          AND NOT EXISTS (SELECT FROM vault.prohibition_end x WHERE x.prohibition = b.id AND x.recorded_at <= as_of)
    ), member AS MATERIALIZED (
        SELECT DISTINCT m.agency, m.role, a.recorded_at AS since
        FROM vault.member m JOIN vault.agency a ON a.id = m.agency
        WHERE m.case_id = a_case AND vault.is_member(a_case, m.agency, m.role, as_of)
    ), named AS (
        -- Units and professionals that a clause tells apart from the rest of their agency.
        SELECT DISTINCT r ->> 'agency' AS agency, r ->> 'unit' AS unit, r ->> 'professional' AS subject
        FROM clause CROSS JOIN LATERAL jsonb_array_elements(coalesce(clause.recipients, '[]')) r
        WHERE r ? 'unit' OR r ? 'professional'
    ), reader AS MATERIALIZED (
        SELECT row_number() OVER () AS r, x.* FROM (
            SELECT m.agency, m.role, m.since, u.unit, s.subject
            FROM member m
            CROSS JOIN LATERAL (SELECT NULL::text AS unit UNION SELECT n.unit FROM named n WHERE n.agency = m.agency) u
            CROSS JOIN LATERAL (SELECT NULL::text AS subject UNION SELECT n.subject FROM named n WHERE n.agency = m.agency) s) x
    ), paper AS MATERIALIZED (
        -- Papers that no clause can tell apart: the day counts only by where it lies among the days that clauses name.
        SELECT row_number() OVER () AS p, x.* FROM (
            SELECT d.type, d.source, d.source_unit, d.agency, d.protected_classes AS classes, k.misfiled OR k.retracted AS closed, n.name, cell.at,
                min(d.dated) AS dated, array_agg(d.id ORDER BY d.id) AS ids
            FROM vault.document d
            CROSS JOIN LATERAL (SELECT vault.is_misfiled(d.id, as_of) AS misfiled, EXISTS (SELECT FROM vault.document_mark m
                WHERE m.document = d.id AND m.recorded_at <= as_of AND m.mark = 'retracted') AS retracted) k
            CROSS JOIN LATERAL (SELECT array_agg(y.day < d.dated ORDER BY y.day) || array_agg(y.day = d.dated ORDER BY y.day) AS at
                FROM (SELECT c.dated_from AS day FROM clause c UNION SELECT c.dated_until FROM clause c UNION SELECT c.signed_on FROM clause c) y
                WHERE y.day IS NOT NULL) cell
            LEFT JOIN LATERAL (SELECT d.id AS name FROM clause c WHERE c.documents @> jsonb_build_array(jsonb_build_object('document', d.id)) LIMIT 1) n ON true
            WHERE d.case_id = a_case AND d.recorded_at <= as_of AND d.copy_of IS NULL
              AND EXISTS (SELECT FROM vault.filing f WHERE f.document = d.id)
            GROUP BY d.type, d.source, d.source_unit, d.agency, d.protected_classes, k.misfiled OR k.retracted, n.name, cell.at) x
    ), kind AS MATERIALIZED (
        SELECT k.*, ty.recorded_at AS type_since, src.recorded_at AS source_since
        FROM (SELECT DISTINCT p.type, p.source, p.source_unit, p.name FROM paper p) k
        JOIN vault.catalogue_type ty ON ty.code = k.type JOIN vault.agency src ON src.id = k.source
    ), covered AS MATERIALIZED (
        SELECT c.c, k.type, k.source, k.source_unit, k.name FROM clause c CROSS JOIN kind k
        WHERE CASE c.effect WHEN 'permit' THEN
                vault.names_source(c.sources, k.source, k.source_unit, k.source_since, c.recorded_at)
                AND vault.names_document(c.documents, k.name, k.type, k.type_since, c.recorded_at)
            ELSE vault.denies(NULL, c.sources, c.documents, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, k.source, k.source_unit,
                k.name, k.type, NULL, NULL, NULL, NULL) END
    ), of_paper AS MATERIALIZED (
        SELECT c.c, p.p FROM covered v JOIN clause c ON c.c = v.c
        JOIN paper p ON p.type = v.type AND p.source = v.source AND p.source_unit IS NOT DISTINCT FROM v.source_unit AND p.name IS NOT DISTINCT FROM v.name
        WHERE (c.dated_from IS NULL OR p.dated >= c.dated_from) AND (c.dated_until IS NULL OR p.dated <= c.dated_until)
          AND CASE c.effect WHEN 'permit' THEN (p.dated <= c.signed_on OR c.future_documents) AND p.classes <@ c.protected_classes
            ELSE coalesce(c.protected_classes, '{}') = '{}' OR c.protected_classes && p.classes END
    ), of_reader AS MATERIALIZED (
        SELECT c.c, r.r FROM clause c CROSS JOIN reader r
        WHERE CASE c.effect WHEN 'permit' THEN vault.names_recipient(c.recipients, r.agency, r.unit, r.role, r.subject, r.since, c.recorded_at)
            ELSE vault.denies(c.recipients, NULL, NULL, NULL, NULL, NULL, NULL, NULL, r.agency, r.unit, r.role, r.subject, NULL, NULL, NULL,
                NULL, NULL, NULL, NULL, NULL) END
    ), hit AS MATERIALIZED (
        SELECT a.r, b.p, c.c, c.effect, c.purposes FROM clause c JOIN of_reader a USING (c) JOIN of_paper b USING (c)
    ), could AS MATERIALIZED (
        -- Reader, paper and purpose that some clause permits, with all the clauses that speak of the three.
        SELECT x.r, x.p, x.purpose, array_agg(h.c ORDER BY h.c) AS clauses
        FROM (SELECT DISTINCT h.r, h.p, u.purpose FROM hit h CROSS JOIN LATERAL unnest(h.purposes) u (purpose)
              JOIN reader ON reader.r = h.r JOIN paper ON paper.p = h.p
              WHERE h.effect = 'permit' AND paper.agency <> reader.agency) x
        JOIN hit h ON h.r = x.r AND h.p = x.p AND (h.purposes IS NULL OR x.purpose = ANY (h.purposes))
        GROUP BY x.r, x.p, x.purpose
    ), judged AS MATERIALIZED (
        -- One ask for all that are alike: the same reader and clauses, and closed or not. It is one of theirs as a whole: one's
        -- paper for another's purpose may be denied by a clause that speaks of neither.
        SELECT g.r, g.closed, g.clauses, v.*
        FROM (SELECT x.r, p.closed, x.clauses, (array_agg(x.purpose ORDER BY x.p, x.purpose))[1] AS purpose,
                (array_agg(p.ids[1] ORDER BY x.p, x.purpose))[1] AS document
              FROM could x JOIN paper p USING (p) GROUP BY x.r, p.closed, x.clauses) g
        JOIN reader r USING (r)
        CROSS JOIN LATERAL vault.decide(g.document, r.agency, r.unit, r.role, r.subject, 'read', g.purpose, as_of) v
    ), consented AS (
        SELECT r.agency, r.unit, r.role, r.subject, j.basis, j.consent, j.provision, x.p, array_agg(x.purpose ORDER BY x.purpose) AS purposes
        FROM could x JOIN paper p USING (p) JOIN reader r USING (r)
        JOIN judged j ON j.r = x.r AND j.closed = p.closed AND j.clauses = x.clauses
        WHERE j.decision = 'permit'
        GROUP BY r.agency, r.unit, r.role, r.subject, j.basis, j.consent, j.provision, x.p
    ), own AS (
        -- No permit speaks of what an agency filed itself, so the purpose that is asked for is none.
        SELECT g.agency, g.p FROM (
            SELECT m.agency, p.closed, min(p.ids[1]::text)::uuid AS document, array_agg(p.p) AS papers
            FROM (SELECT DISTINCT x.agency FROM member x) m JOIN paper p ON p.agency = m.agency GROUP BY m.agency, p.closed) y
        CROSS JOIN LATERAL vault.decide(y.document, y.agency, NULL, NULL, NULL, 'read', '', as_of) v
        CROSS JOIN LATERAL (SELECT y.agency, unnest(y.papers) AS p) g
        WHERE v.decision = 'permit'
    )
    SELECT z.agency, z.unit, z.role, z.subject, z.basis, z.consent, z.provision, z.purposes, z.classes,
        (SELECT array_agg(i ORDER BY i) FROM paper q CROSS JOIN LATERAL unnest(q.ids) i WHERE q.p = ANY (z.papers))
    FROM (SELECT y.agency, y.unit, y.role, y.subject, y.basis, y.consent, y.provision, y.purposes, p.classes, array_agg(y.p) AS papers
          FROM (SELECT * FROM consented
                UNION ALL SELECT o.agency, NULL, NULL, NULL, 'own-document', NULL, NULL, o.p, '{}' FROM own o) y
          JOIN paper p ON p.p = y.p
          GROUP BY y.agency, y.unit, y.role, y.subject, y.basis, y.consent, y.provision, y.purposes, p.classes) z
    UNION ALL
    SELECT r.agency, r.unit, r.role, r.subject, NULL, NULL, NULL, '{}', '{}', '{}' FROM reader r
    WHERE (r.unit IS NOT NULL OR r.subject IS NOT NULL) AND NOT EXISTS (SELECT FROM consented x
        WHERE x.agency = r.agency AND x.role = r.role AND x.unit IS NOT DISTINCT FROM r.unit AND x.subject IS NOT DISTINCT FROM r.subject);
END;
