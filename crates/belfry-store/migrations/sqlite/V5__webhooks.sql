-- Endpoints that are told what became of alerts, and what is still to be told.

CREATE TABLE webhooks (
  webhook_key     INTEGER PRIMARY KEY AUTOINCREMENT,
  id              TEXT NOT NULL UNIQUE,
  url             TEXT NOT NULL,
  events          INTEGER NOT NULL,              -- a bit each
  enabled         INTEGER NOT NULL,
  secret          TEXT NOT NULL,
  old_secret      TEXT,
  old_until       INTEGER,
  created_at      INTEGER NOT NULL,
  failing_since   INTEGER,                       -- NULL: the last call was taken
  disabled_reason INTEGER,                       -- 0 gone, 1 failing
  dropped         INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE webhook_events (
  event_key   INTEGER PRIMARY KEY AUTOINCREMENT,
  webhook_key INTEGER NOT NULL,
  user_key    INTEGER,                           -- whom it names
  webhook_id  TEXT NOT NULL,                     -- the same for every try
  body        TEXT NOT NULL,
  tries       INTEGER NOT NULL DEFAULT 0,
  next_at     INTEGER NOT NULL,                  -- when it is due or its lease ends
  lease_token INTEGER
);
CREATE INDEX webhook_events_due ON webhook_events (webhook_key, next_at);
CREATE INDEX webhook_events_key ON webhook_events (webhook_key, event_key);
CREATE INDEX webhook_events_user ON webhook_events (user_key) WHERE user_key IS NOT NULL;
