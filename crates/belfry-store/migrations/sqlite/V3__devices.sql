-- Where a person can be reached, and what of it they want.

CREATE TABLE devices (
  user_key      INTEGER NOT NULL,
  device_id     TEXT NOT NULL,
  address       TEXT NOT NULL,     -- JSON; a secret: whoever knows it can send
  address_hash  BLOB NOT NULL,     -- of what makes two registrations one address
  locale        TEXT,
  time_zone     TEXT,
  app_version   TEXT,
  registered_at INTEGER NOT NULL,
  accepted_at   INTEGER,
  failure       TEXT,
  PRIMARY KEY (user_key, device_id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX devices_by_address ON devices (address_hash);

-- Addresses that went from one person to another: the newest of each.
CREATE TABLE device_moves (
  move_key    INTEGER PRIMARY KEY AUTOINCREMENT,
  moved_at    INTEGER NOT NULL,
  from_key    INTEGER NOT NULL,
  from_device TEXT NOT NULL,
  to_key      INTEGER NOT NULL,
  to_device   TEXT NOT NULL
);
CREATE INDEX device_moves_from ON device_moves (from_key, move_key);
CREATE INDEX device_moves_to ON device_moves (to_key, move_key);

-- What tokens without another credential are signed with, the same on every node.
CREATE TABLE signing_keys (
  name       TEXT PRIMARY KEY,
  secret     BLOB NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;

ALTER TABLE users ADD COLUMN preferences TEXT;       -- JSON; NULL: everything is wanted
ALTER TABLE users ADD COLUMN email_suppressed TEXT;  -- why no mail goes to the present address
