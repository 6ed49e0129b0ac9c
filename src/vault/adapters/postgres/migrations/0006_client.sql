-- The one press that denies everything is a prohibition like any other, with a mark by which one press ends it.
ALTER TABLE vault.prohibition ADD COLUMN pause boolean NOT NULL DEFAULT false;
