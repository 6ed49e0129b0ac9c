-- What a client may have of their own documents. Pages, lists, export and the door all call vault.for_client.
-- Source: design.md §3.3; GDPR Art. 12(3), 15(4); FI 1050/2018 §34; FI 621/1999 §11, §25.

DO $types$
BEGIN
    IF to_regtype('vault.client_view') IS NULL THEN
        -- how: open; waiting (a records officer looks first: answered_by is the day, requested says whether somebody has asked);
        -- withheld; pages-withheld (copy is the document to open instead); misfiled.
        CREATE TYPE vault.client_view AS (
            how text, answered_by date, requested boolean, provision text, told boolean, withholding uuid, copy uuid);
    END IF;
END
$types$;

-- A client's copy does not exist to anybody but the client, who stands for them, and the records officer.
CREATE OR REPLACE FUNCTION vault.knows_copies(t vault.token, d vault.document) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN d.copy_of IS NULL OR t.actor IN ('client', 'representative', 'records-officer');

-- The newest state of a request.
CREATE OR REPLACE FUNCTION vault.request_at(a_request uuid, as_of timestamptz) RETURNS vault.request_state
LANGUAGE sql STABLE
RETURN (SELECT s FROM vault.request_state s WHERE s.request = a_request AND s.recorded_at <= as_of ORDER BY s.n DESC LIMIT 1);

-- The clock of a request runs until it is answered or refused.
CREATE OR REPLACE FUNCTION vault.is_running(a_state text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN a_state IN ('received', 'identified', 'under-way', 'extended');

-- The running request of the client under which this document is looked at, the most urgent first.
CREATE OR REPLACE FUNCTION vault.checking_request(a_document uuid, as_of timestamptz) RETURNS uuid
LANGUAGE sql STABLE
RETURN (SELECT r.id FROM vault.document d JOIN vault.client_case c ON c.id = d.case_id
    JOIN vault.request r ON r.client = c.client AND r.controller = c.controller AND r.kind IN ('export-review', 'self-access')
        AND (r.case_id IS NULL OR r.case_id = c.id) AND (r.document IS NULL OR r.document = d.id) AND r.recorded_at <= as_of
    WHERE d.id = a_document AND vault.is_running((vault.request_at(r.id, as_of)).state)
    ORDER BY (vault.request_at(r.id, as_of)).due_on, r.id LIMIT 1);

-- Is this the wrong person's paper? A records officer may find that it is not.
CREATE OR REPLACE FUNCTION vault.is_misfiled(a_document uuid, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN EXISTS (SELECT FROM vault.document_mark k WHERE k.document = a_document AND k.mark = 'misfiled' AND k.recorded_at <= as_of
    AND NOT EXISTS (SELECT FROM vault.misfiled_decision x WHERE x.document = k.document AND x.decision = 'in-place' AND x.recorded_at <= as_of));

-- How a document stands for the client whose case it is in; null for an unknown one. A client's copy is open while it is the
-- newest decision's, and nothing else ever is.
CREATE OR REPLACE FUNCTION vault.for_client(a_document uuid, as_of timestamptz) RETURNS vault.client_view
LANGUAGE plpgsql STABLE
AS $view$
DECLARE
    d vault.document;
    w vault.withholding;
    v vault.client_view;
    r uuid;
BEGIN
    SELECT * INTO d FROM vault.document x WHERE x.id = a_document AND x.recorded_at <= as_of;
    IF d.id IS NULL THEN RETURN NULL; END IF;
    SELECT * INTO w FROM vault.withholding x WHERE x.document = coalesce(d.copy_of, d.id) AND x.recorded_at <= as_of ORDER BY x.n DESC LIMIT 1;
    IF vault.is_misfiled(coalesce(d.copy_of, d.id), as_of) THEN
        v.how := 'misfiled';
    ELSIF d.copy_of IS NOT NULL THEN
        v.how := CASE WHEN w.copy = d.id THEN 'open' ELSE 'withheld' END;
        v.provision := w.provision; v.told := w.told; v.withholding := w.id;
    ELSIF w.id IS NOT NULL THEN
        v.how := w.how; v.provision := w.provision; v.told := w.told; v.withholding := w.id; v.copy := w.copy;
    ELSIF (d.third_persons OR d.check_before_client)
        AND NOT EXISTS (SELECT FROM vault.document_mark k WHERE k.document = d.id AND k.mark = 'checked' AND k.recorded_at <= as_of) THEN
        v.how := 'waiting';
        r := vault.checking_request(d.id, as_of);
        v.requested := r IS NOT NULL;
        -- Nobody has asked yet: the day if they ask today.
        v.answered_by := coalesce((vault.request_at(r, as_of)).due_on, vault.due_day('export-review', vault.helsinki_day(as_of), false));
    ELSE
        v.how := 'open';
    END IF;
    RETURN v;
END
$view$;

-- May a records officer open it? Only to answer that client's own running request, under a reason given within the day.
CREATE OR REPLACE FUNCTION vault.may_look(t vault.token, a_document uuid, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN t.actor = 'records-officer' AND EXISTS (
    SELECT FROM vault.document d
    JOIN vault.client_case c ON c.id = d.case_id AND c.controller = t.agency
    JOIN vault.request_look l ON l.document = coalesce(d.copy_of, d.id) AND l.professional = t.professional
        AND l.recorded_at <= as_of AND l.recorded_at > as_of - interval '24 hours'
    JOIN vault.request r ON r.id = l.request AND r.client = c.client AND r.controller = t.agency
    WHERE d.id = a_document AND vault.is_running((vault.request_at(r.id, as_of)).state)
      AND (d.key_parent = 'register' OR vault.recorded_state(d.case_id, as_of) IS DISTINCT FROM 'archived')
      AND NOT vault.is_misfiled(coalesce(d.copy_of, d.id), as_of));

-- Is this asker a records officer of an agency that answers for some of the client's records?
CREATE OR REPLACE FUNCTION vault.answers_for(t vault.token, a_client uuid) RETURNS boolean
LANGUAGE sql STABLE
RETURN t.actor = 'records-officer' AND EXISTS (SELECT FROM vault.client_case c WHERE c.client = a_client AND c.controller = t.agency);
