-- The log is `alerts` (one recipient: the row is the notification) and `recipients` (up to 256); both are appended
-- to in key order. `notifications` and `idempotency_keys` are merged from it later, up to `meta.merged_to`.

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE users (
  user_key         INTEGER PRIMARY KEY AUTOINCREMENT,
  id               TEXT NOT NULL UNIQUE,
  epoch_part       INTEGER NOT NULL,
  created_at       INTEGER NOT NULL,
  head             INTEGER NOT NULL DEFAULT 0,  -- settled: what lies above it is still in the log only
  unread           INTEGER NOT NULL DEFAULT 0,  -- at this head
  items            INTEGER NOT NULL DEFAULT 0,  -- settled rows in the list
  gone_items       INTEGER NOT NULL DEFAULT 0,  -- settled rows out of the list
  newest_alert     INTEGER NOT NULL DEFAULT 0,  -- highest alert_key among the settled
  all_from         INTEGER NOT NULL,
  all_read_up_to   INTEGER NOT NULL DEFAULT 0,
  all_read_version INTEGER NOT NULL DEFAULT 0,
  received         BLOB,                        -- disjoint ranges, 16 bytes each
  received_all     BLOB,
  revoke_before    INTEGER,
  email            TEXT,
  locale           TEXT,
  time_zone        TEXT,
  name             TEXT,
  do_not_disturb   TEXT,
  settings_rev     INTEGER NOT NULL DEFAULT 0
);

-- Small columns first: a scan of the log never follows a row into its overflow pages.
CREATE TABLE alerts (
  alert_key     INTEGER PRIMARY KEY,
  id_tail       INTEGER NOT NULL,
  audience_form INTEGER NOT NULL,  -- 0 user, 1 users, 2 group, 3 everyone
  user_key      INTEGER,           -- one recipient
  seq           INTEGER,           -- the recipient's, or the one in `all`
  recipients    INTEGER,
  created_at    INTEGER NOT NULL,
  expires_at    INTEGER,
  recalled_at   INTEGER,
  severity      INTEGER NOT NULL,
  quiet         INTEGER NOT NULL DEFAULT 0,
  breaks_through INTEGER NOT NULL DEFAULT 0,
  kind          TEXT NOT NULL,
  category      TEXT NOT NULL,
  collapse_key  TEXT,
  idempotency_api_key TEXT,
  idempotency_key     TEXT,
  idempotency_hash    BLOB,
  thread        TEXT,
  title         TEXT NOT NULL,
  body          TEXT,
  link          TEXT,
  image         TEXT,
  actions       TEXT,
  ladder        TEXT,
  data          TEXT NOT NULL,
  audience      TEXT              -- JSON: up to 100 users, or the group's id
);

CREATE TABLE recipients (
  alert_key INTEGER NOT NULL,
  user_id   TEXT NOT NULL,
  user_key  INTEGER NOT NULL,
  seq       INTEGER NOT NULL,
  PRIMARY KEY (alert_key, user_id)
) WITHOUT ROWID;

CREATE TABLE notifications (
  user_key     INTEGER NOT NULL,
  seq          INTEGER NOT NULL,
  version      INTEGER NOT NULL,
  alert_key    INTEGER NOT NULL,
  flags        INTEGER NOT NULL DEFAULT 0,  -- 1 seen, 2 read, 4 archived, 8 acted
  gone         INTEGER NOT NULL DEFAULT 0,  -- 0 in the list, 1 expired, 2 recalled, 3 replaced, 4 removed
  level        INTEGER NOT NULL DEFAULT 0,
  late         INTEGER NOT NULL DEFAULT 0,  -- its alert is older than one with a lower seq
  expires_at   INTEGER,
  collapse_key TEXT,
  received_at  INTEGER,
  displayed_at INTEGER,
  seen_at      INTEGER,
  read_at      INTEGER,
  acted_at     INTEGER,
  PRIMARY KEY (user_key, seq)
) WITHOUT ROWID;
CREATE INDEX notifications_changed ON notifications (user_key, version) WHERE version > seq;
CREATE INDEX notifications_collapse ON notifications (user_key, collapse_key)
  WHERE collapse_key IS NOT NULL AND gone = 0 AND flags & 2 = 0;
CREATE INDEX notifications_expiry ON notifications (expires_at) WHERE expires_at IS NOT NULL AND gone = 0;
CREATE INDEX notifications_late ON notifications (user_key, alert_key) WHERE late = 1;

CREATE TABLE announcements (
  all_seq      INTEGER PRIMARY KEY,
  version      INTEGER NOT NULL,
  alert_key    INTEGER NOT NULL,
  gone         INTEGER NOT NULL DEFAULT 0,
  expires_at   INTEGER,
  collapse_key TEXT
);
CREATE INDEX announcements_changed ON announcements (version) WHERE version > all_seq;

CREATE TABLE marks (
  user_key     INTEGER NOT NULL,
  all_seq      INTEGER NOT NULL,
  version      INTEGER NOT NULL,
  flags        INTEGER NOT NULL,
  level        INTEGER NOT NULL,
  displayed_at INTEGER,
  seen_at      INTEGER,
  read_at      INTEGER,
  acted_at     INTEGER,
  PRIMARY KEY (user_key, all_seq)
) WITHOUT ROWID;
CREATE INDEX marks_by_announcement ON marks (all_seq, user_key);

CREATE TABLE fanouts (
  alert_key INTEGER PRIMARY KEY,
  recalling INTEGER NOT NULL DEFAULT 0,
  done      INTEGER NOT NULL DEFAULT 0,
  expanded  INTEGER NOT NULL DEFAULT 0,
  cursor    TEXT NOT NULL DEFAULT ''  -- last user id done
);
CREATE INDEX fanouts_unfinished ON fanouts (alert_key) WHERE done = 0;

CREATE TABLE fanout_users (
  alert_key INTEGER NOT NULL,
  chunk     INTEGER NOT NULL,
  users     TEXT NOT NULL,  -- JSON, sorted
  PRIMARY KEY (alert_key, chunk)
) WITHOUT ROWID;

CREATE TABLE idempotency_keys (
  api_key   TEXT NOT NULL,
  key       TEXT NOT NULL,
  alert_key INTEGER NOT NULL,
  PRIMARY KEY (api_key, key)
) WITHOUT ROWID;

CREATE TABLE groups (
  group_key    INTEGER PRIMARY KEY AUTOINCREMENT,
  id           TEXT NOT NULL UNIQUE,
  member_count INTEGER NOT NULL DEFAULT 0,
  created_at   INTEGER NOT NULL
);

CREATE TABLE members (
  group_key INTEGER NOT NULL,
  user_id   TEXT NOT NULL,
  user_key  INTEGER NOT NULL,
  PRIMARY KEY (group_key, user_id)
) WITHOUT ROWID;
CREATE INDEX members_by_user ON members (user_key, group_key);
