/** For tests of applications that use Belfry: no server, no network, no waiting. */

export type { AlertOverrides } from './alert.js';
export { testAlert, testError } from './alert.js';
export type { FakeClock } from './fake-clock.js';
export { createFakeClock } from './fake-clock.js';
export type { FakeConnection } from './fake-connection.js';
export type { FakeAlert, FakeAudience } from './fake-house.js';
export type { FakeRequest } from './fake-http.js';
export type { FakeServer, FakeServerOptions } from './fake-server.js';
export { createFakeServer } from './fake-server.js';
export type { Call, CallName, FailingCall } from './test-calls.js';
export type { ReceiveOverrides, TestClient, TestClientInit } from './test-client.js';
export { createTestClient } from './test-client.js';
export type { Presented } from './test-presenter.js';
export type { Published, TestPublisher } from './test-publisher.js';
export { createTestPublisher } from './test-publisher.js';
