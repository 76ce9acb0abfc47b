-- Nodes hold a lease each; who is connected where. Both are written all the time and are small, so they have room
-- beside each row and are cleaned up often.
CREATE TABLE nodes (
  incarnation BIGINT PRIMARY KEY,
  name        TEXT NOT NULL,
  started_at  BIGINT NOT NULL,
  lease_until BIGINT NOT NULL,
  watched_to  BIGINT NOT NULL,
  written_at  BIGINT NOT NULL,
  stats       TEXT NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

CREATE TABLE presence (
  user_id     TEXT COLLATE "C" NOT NULL,
  incarnation BIGINT NOT NULL,
  since       BIGINT NOT NULL,
  connections BIGINT NOT NULL,
  visible     BIGINT NOT NULL,
  ended_at    BIGINT,
  lost        BIGINT NOT NULL,
  PRIMARY KEY (user_id, incarnation)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);

CREATE INDEX presence_open ON presence (incarnation) WHERE ended_at IS NULL;
CREATE INDEX presence_ended ON presence (ended_at) WHERE ended_at IS NOT NULL;
