-- Terms in days and months, and the year that a free answer uses up: each stands here and nowhere else. Days are Helsinki's.
-- Source: Regulation (EEC, Euratom) No 1182/71 Art. 3; FI 150/1930 § 5; GDPR Art. 12(3), (5); design.md §7; domain.md §9.

-- Easter Sunday of the Gregorian calendar (J. Meeus, Astronomical Algorithms, ch. 8), step by step.
CREATE OR REPLACE FUNCTION vault.easter(a_year integer) RETURNS date
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT make_date(a_year, s.whole / 31, s.whole % 31 + 1) FROM (SELECT a_year % 19 AS golden, a_year / 100 AS century, a_year % 100 AS rest) y,
        LATERAL (SELECT (19 * y.golden + y.century - y.century / 4 - (y.century - (y.century + 8) / 25 + 1) / 3 + 15) % 30 AS moon) m,
        LATERAL (SELECT (32 + 2 * (y.century % 4) + 2 * (y.rest / 4) - m.moon - y.rest % 4) % 7 AS sunday) w,
        LATERAL (SELECT m.moon + w.sunday - 7 * ((y.golden + 11 * m.moon + 22 * w.sunday) / 451) + 114 AS whole) s;
END;

-- Neither a Saturday, a Sunday nor a public holiday; Midsummer's and Christmas Eve count as holidays (FI 150/1930 § 5).
CREATE OR REPLACE FUNCTION vault.is_working_day(a_day date) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN extract(isodow FROM a_day) < 6
    AND to_char(a_day, 'MM-DD') NOT IN ('01-01', '01-06', '05-01', '12-06', '12-24', '12-25', '12-26')
    AND NOT (extract(isodow FROM a_day) = 5 AND to_char(a_day, 'MM-DD') BETWEEN '06-19' AND '06-25')
    -- Good Friday, Easter Monday, Ascension; Easter and Pentecost are Sundays.
    AND a_day - vault.easter(extract(year FROM a_day)::integer) NOT IN (-2, 1, 39);

-- The last day on which a request of that kind, received on that day, may be answered; null: it cannot be put off. The day of
-- receipt is not counted; a period of months ends on the day of the same number, or on the month's last one; one that would
-- end on a day that is no working day ends with the next that is. Put off, it is one period from the day of receipt.
CREATE OR REPLACE FUNCTION vault.due_day(a_kind text, received date, extended boolean) RETURNS date
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT min(d.day) FROM (SELECT (received + (k.answer_within + CASE WHEN extended THEN k.extension ELSE interval '0' END))::date AS last
            FROM vault.request_kind k WHERE k.kind = a_kind) l,
        LATERAL (SELECT l.last + i AS day FROM generate_series(0, 10) i) d
    WHERE vault.is_working_day(d.day);
END;

-- What used up a free year, and when: a whole export of the client's own, fetched to its last byte; a request for one's own
-- records, answered in full. Nothing else does: not what failed, was never fetched to its end or never handed over, left
-- something out, or was refused in whole or in part, nor what a representative took or was handed.
CREATE OR REPLACE FUNCTION vault.years_used(a_client uuid) RETURNS TABLE (at timestamptz, request uuid)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT min(s.recorded_at), NULL::uuid FROM vault.export x
    JOIN vault.export_package p ON p.export = x.id AND NOT p.partial
    JOIN vault.export_state s ON s.export = x.id AND s.event = 'fetch'
    WHERE x.client = a_client AND x.authority IS NULL AND x.request IS NULL GROUP BY x.id
    UNION ALL
    SELECT s.recorded_at, r.id FROM vault.request r JOIN vault.request_state s ON s.request = r.id AND s.state = 'answered'
    WHERE r.client = a_client AND r.kind = 'self-access' AND NOT EXISTS (
        SELECT FROM vault.export x JOIN vault.export_handover h ON h.export = x.id JOIN vault.export_package p ON p.export = x.id
        WHERE x.request = r.id AND (p.partial OR x.authority IS NOT NULL));
END;

-- May nothing be charged for this request, whatever anybody decides? Yes, unless a year was used up before it came and has not
-- ended by now; a year from 29 February ends on 28 February.
CREATE OR REPLACE FUNCTION vault.is_free(r vault.request, as_of timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN NOT EXISTS (SELECT FROM vault.years_used(r.client) u
    WHERE u.request IS DISTINCT FROM r.id AND u.at < r.recorded_at AND vault.helsinki_day(u.at) <= r.received_on
      AND (vault.helsinki_day(u.at) + interval '1 year')::date > vault.helsinki_day(as_of));
