-- What stopped a transfer, as a code that the archivist reads in their own language; and who judged that health is at stake where a
-- whole request is refused, as for a paper.
ALTER TABLE vault.transfer_progress ADD COLUMN trouble_code text COLLATE "C";
ALTER TABLE vault.request_state ADD COLUMN decided_by uuid REFERENCES vault.professional;
