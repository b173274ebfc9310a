-- What hangs on the outlets of a registry, for the plans that are looked at.

INSERT INTO agreement (number, bank, division, valid_from, valid_to, max_delegation, generation, created_at)
SELECT 'A' || n, (ARRAY['SRCB', 'SPSB', 'SICB'])[1 + n % 3], (ARRAY['330106', '330100', '330200', '330000'])[1 + n % 4],
    current_date - 400, current_date - 300 + n % 900, 'D3', 0, now() - interval '1 year' FROM generate_series(1, 20000) n;

INSERT INTO terminal (id, outlet, name, status, public_jwk, version, used_on, generation, created_at)
SELECT gen_random_uuid(), number, '终端', (ARRAY['active', 'active', 'suspended', 'retired'])[1 + n % 4], '{}', 1,
    current_date - (random() * 300)::int, 0, now() - interval '1 year'
FROM (SELECT number, row_number() OVER () AS n FROM outlet) o;

INSERT INTO teller (code, outlet, status, version, used_on, qualified_until, generation, created_at)
SELECT number || '-0' || k, number, (ARRAY['active', 'active', 'suspended', 'left'])[1 + n % 4], 1,
    current_date - (random() * 300)::int, current_date - 100 + (n % 400)::int, 0, now() - interval '1 year'
FROM (SELECT number, row_number() OVER () AS n FROM outlet) o, generate_series(1, 2) k;

INSERT INTO outlet_proposal (id, outlet, base_version, fields, reason, words, state, proposed_by, version, created_at)
SELECT gen_random_uuid(), number, 1, '{}', '', '', CASE WHEN k = 1 AND n % 50 = 0 THEN 'pending'
    ELSE (ARRAY['approved', 'refused', 'withdrawn'])[1 + n % 3] END, 'person:x', 1, now()
FROM (SELECT number, row_number() OVER () AS n FROM outlet) o, generate_series(1, 2) k;

INSERT INTO registry_change (kind, key, version, at, actor, actor_role, action, reason, fields)
SELECT 'outlet', number, k, now() - interval '1 day' * k, 'x', 'x', 'change', '', '{}'
FROM outlet, generate_series(1, 4) k;

INSERT INTO acceptance_sheet (id, outlet, occasion, inspected_on, filled_at, filled_by, points, vetoes, total, grade, passed, remarks)
SELECT gen_random_uuid(), number, 'inspection', current_date, now() - interval '1 day' * k, 'x', '{}', '{}', 90, 'excellent', true, ''
FROM outlet, generate_series(1, 2) k;

INSERT INTO outlet_import (id, state, dry_run, path, size, asked_by, asked_role, progress, failure_about, created_at)
SELECT gen_random_uuid(), CASE WHEN n % 2000 = 0 THEN 'queued' ELSE 'done' END, false, 'x', 1, 'x', 'x', 1, '', now()
FROM generate_series(1, 20000) n;

INSERT INTO outlet_import_report (id, of_import, sealed)
SELECT id || '/00000' || k, id, '' FROM outlet_import, generate_series(1, 3) k;

UPDATE outlet SET rectify_by = current_date - 5 + substr(number, 7)::int % 60, status = 'rectifying'
WHERE substr(number, 8)::int % 30 = 0;

UPDATE outlet SET licence = 'B' || number || 'AA', cnaps = number WHERE substr(number, 8)::int % 3 = 0;

UPDATE outlet SET parent = left(number, 6) || '000001' WHERE kind = 'convenience_point';
