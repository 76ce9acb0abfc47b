-- An alert for everyone stays one row: who comes later sees those that say so, down to a number in their own row.

ALTER TABLE announcements ADD COLUMN latecomers INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN all_late_from INTEGER;  -- below `all_from`; NULL: nothing was there for a latecomer
