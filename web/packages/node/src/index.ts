/** Belfry for back ends: publish alerts, manage users and groups, verify webhooks. */

export type { BatchOutcome } from './batch.js';
export type { BelfryErrorInit, NodeErrorCode } from './error.js';
export { BelfryError } from './error.js';
export type { AnyNewAlert, JsonObject, Kind, Kinds, NewAlert, Receipt, To } from './kinds.js';
export type { BatchEntry, CallOptions, Publisher, PublisherOptions, SnapshotOptions } from './publisher.js';
export { createPublisher } from './publisher.js';
export type { AnySnapshotAlert, Snapshot, SnapshotAlert } from './snapshot.js';
export type { Clock } from './transport.js';
export type { VerifyOptions, WebhookEvent, WebhookHeaders } from './webhook.js';
export { verifyWebhook } from './webhook.js';
