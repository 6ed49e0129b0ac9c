-- A code that is the client's no more may have been mistyped, and be another person's, who comes here with it in their own right.
ALTER TABLE vault.client_code DROP CONSTRAINT client_code_pkey;
ALTER TABLE vault.client_code ADD PRIMARY KEY (code_mac, client);
CREATE INDEX client_code_client ON vault.client_code (client);

-- client_about.code_mac is the code as it was given last. One that stands for another person has no row in client_code: it is
-- nobody's way in, and nobody's but theirs.
CREATE INDEX client_about_code ON vault.client_about (code_mac);

-- The code that the change took out of use: a records officer says whether it was lawfully this person's.
ALTER TABLE vault.difference ADD COLUMN former_mac bytea;

-- A code that was changed by law (FI 301/2023, or for an error): it still finds its person, and signs nobody in.
CREATE TABLE vault.former_code (
    code_mac    bytea PRIMARY KEY,
    client      uuid NOT NULL REFERENCES vault.client,
    difference  uuid NOT NULL REFERENCES vault.difference,
    recorded_at timestamptz NOT NULL
);
