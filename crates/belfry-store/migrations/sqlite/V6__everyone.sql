-- The ladder of an alert for everyone. The alert stays one row: deliveries are made for those alone who have not
-- answered by the time its first step beyond the live one is due.

CREATE TABLE ladder_fanouts (
  alert_key INTEGER PRIMARY KEY,
  all_seq   INTEGER NOT NULL,
  ladder    TEXT NOT NULL,               -- the steps, as each delivery copies them
  step      INTEGER NOT NULL,            -- where deliveries begin
  stop_at   INTEGER NOT NULL,            -- the level of those who need none
  due_at    INTEGER NOT NULL,
  state     INTEGER NOT NULL DEFAULT 0,  -- 0 opens deliveries, 1 ends them, 2 done
  cursor    INTEGER NOT NULL DEFAULT 0,  -- user_key of the last one done
  opened    INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX ladder_fanouts_due ON ladder_fanouts (due_at) WHERE state < 2;

ALTER TABLE deliveries ADD COLUMN of_all INTEGER NOT NULL DEFAULT 0;  -- 1: `seq` is a number of `all`
CREATE INDEX deliveries_of_all ON deliveries (user_key) WHERE of_all = 1;
