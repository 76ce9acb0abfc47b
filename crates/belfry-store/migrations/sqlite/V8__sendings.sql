-- Whom a leg went to and when, so that a ladder can say how often it may.

ALTER TABLE legs ADD COLUMN user_key INTEGER;
UPDATE legs SET user_key = (SELECT d.user_key FROM deliveries d WHERE d.delivery_key = legs.delivery_key)
  WHERE state IN (0, 1);
CREATE INDEX legs_of_user ON legs (user_key, created_at) WHERE user_key IS NOT NULL;
