-- Whether the code that was given last is the client's: one that stood for another person was not taken over. client_code alone
-- cannot say so of a code that was the client's before.
ALTER TABLE vault.client_about ADD COLUMN code_taken boolean NOT NULL DEFAULT true;
UPDATE vault.client_about a SET code_taken = false
WHERE a.code_mac IS NOT NULL AND NOT EXISTS (SELECT FROM vault.client_code k WHERE k.client = a.client AND k.code_mac = a.code_mac);
