-- Nodes of one cluster hold a lease each. On SQLite there is one node and the table is empty.
CREATE TABLE nodes (
  incarnation INTEGER PRIMARY KEY,  -- drawn at each start
  name        TEXT NOT NULL,
  started_at  INTEGER NOT NULL,
  lease_until INTEGER NOT NULL,
  watched_to  INTEGER NOT NULL,     -- alerts up to this key need no look on behalf of this node
  written_at  INTEGER NOT NULL,
  stats       TEXT NOT NULL         -- JSON, as the node wrote it
);

-- Who is connected where, and who left a moment ago.
CREATE TABLE presence (
  user_id     TEXT NOT NULL,
  incarnation INTEGER NOT NULL,
  since       INTEGER NOT NULL,     -- when the newest connection opened
  connections INTEGER NOT NULL,
  visible     INTEGER NOT NULL,     -- 1: one of them may be seen
  ended_at    INTEGER,
  lost        INTEGER NOT NULL,     -- 1: the node took it away, not the person
  PRIMARY KEY (user_id, incarnation)
) WITHOUT ROWID;

CREATE INDEX presence_open ON presence (incarnation) WHERE ended_at IS NULL;
CREATE INDEX presence_ended ON presence (ended_at) WHERE ended_at IS NOT NULL;
