-- The fallback of a notification whose live step was not answered. On the good day none of this is written.

CREATE TABLE deliveries (
  delivery_key  INTEGER PRIMARY KEY AUTOINCREMENT,
  user_key      INTEGER NOT NULL,
  seq           INTEGER NOT NULL,
  alert_key     INTEGER NOT NULL,
  state         INTEGER NOT NULL,  -- 0 waiting, 1 sending, 2 held, 3 confirmed, 4 sent, 5 expired, 6 suppressed, 7 recalled, 8 dead-lettered
  step          INTEGER NOT NULL,  -- the next one; while sending, this one
  last_failed   INTEGER NOT NULL,
  stop_at       INTEGER NOT NULL,  -- the level that ends the ladder
  ladder        TEXT NOT NULL,     -- its own copy
  wait_ms       INTEGER,           -- after the step that is being sent; NULL: the ladder ends then
  until_level   INTEGER,
  due_at        INTEGER NOT NULL,
  claim_at      INTEGER,           -- when it is due or its lease ends; NULL: there is nothing to claim
  lease_token   INTEGER,
  deferred      INTEGER NOT NULL DEFAULT 0,  -- 1 quiet hours, 2 gathered into a digest
  suppressed    INTEGER NOT NULL DEFAULT 0,  -- a step of it was, by preference
  generation    INTEGER NOT NULL DEFAULT 0,  -- counts replays
  open_legs     INTEGER NOT NULL DEFAULT 0,
  inherited_tag TEXT,              -- of a push of the notification that this one replaced
  reason        TEXT,
  dead_step     INTEGER,           -- of a dead letter: the step that failed last
  dead_channel  INTEGER,
  opened_at     INTEGER NOT NULL,
  ended_at      INTEGER,
  UNIQUE (alert_key, user_key)
);
CREATE INDEX deliveries_due ON deliveries (claim_at, user_key) WHERE claim_at IS NOT NULL;
CREATE INDEX deliveries_active ON deliveries (user_key) WHERE ended_at IS NULL OR open_legs > 0;
CREATE INDEX deliveries_dead ON deliveries (delivery_key) WHERE state = 8;
CREATE INDEX deliveries_held ON deliveries (delivery_key) WHERE state = 2;

CREATE TABLE legs (
  leg_key       INTEGER PRIMARY KEY AUTOINCREMENT,
  delivery_key  INTEGER NOT NULL,
  step          INTEGER NOT NULL,
  channel       INTEGER NOT NULL,
  provider      INTEGER,
  device_id     TEXT,
  address       TEXT NOT NULL,
  address_short TEXT,
  tag           TEXT NOT NULL,
  state         INTEGER NOT NULL,  -- 0 pending, 1 accepted, 2 failed, 3 suppressed, 4 cancelled, 5 expired
  reason        TEXT,
  tries         INTEGER NOT NULL DEFAULT 0,
  calls         INTEGER NOT NULL DEFAULT 0,  -- number of the last attempt
  next_at       INTEGER NOT NULL,
  claim_at      INTEGER,           -- as of a delivery
  lease_token   INTEGER,
  changed       INTEGER NOT NULL DEFAULT 0,  -- a delivery left it since the lease began
  provider_id   TEXT,
  deadline_at   INTEGER NOT NULL,  -- no attempt begins at or after it
  created_at    INTEGER NOT NULL,
  ended_at      INTEGER
);
CREATE INDEX legs_of_delivery ON legs (delivery_key);
CREATE INDEX legs_due ON legs (provider, claim_at) WHERE claim_at IS NOT NULL;

-- Deliveries that a leg serves besides its own: a digest, a collapsed push.
CREATE TABLE leg_members (
  leg_key      INTEGER NOT NULL,
  delivery_key INTEGER NOT NULL,
  step         INTEGER NOT NULL,  -- in the member's own ladder
  PRIMARY KEY (leg_key, delivery_key)
) WITHOUT ROWID;
CREATE INDEX leg_members_of_delivery ON leg_members (delivery_key);

CREATE TABLE attempts (
  leg_key INTEGER NOT NULL,
  n       INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  node    TEXT NOT NULL,
  outcome TEXT NOT NULL,
  status  INTEGER,
  said    TEXT NOT NULL,
  late    INTEGER NOT NULL,
  PRIMARY KEY (leg_key, n)
) WITHOUT ROWID;
