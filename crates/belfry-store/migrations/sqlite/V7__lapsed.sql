-- Leases that ran out one after the other: whoever had it never said what became of it.

ALTER TABLE deliveries ADD COLUMN lapsed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE legs ADD COLUMN lapsed INTEGER NOT NULL DEFAULT 0;
