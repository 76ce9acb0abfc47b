import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  adviceFor,
  clientFrameTypes,
  closeCode,
  closeCodes,
  errorCodes,
  isAlert,
  isErrorCode,
  isInboxItem,
  isLiveAlert,
  isProblem,
  isReservedKind,
  isServerFrame,
  parseServerMessage,
  serverFrameTypes,
} from '@belfry/protocol';

const directory = new URL('../../../../crates/belfry-protocol/fixtures/', import.meta.url);

interface Fixture {
  readonly name: string;
  readonly text: string;
  readonly value: unknown;
}

const fixtures: readonly Fixture[] = readdirSync(directory).map((file) => {
  const text = readFileSync(new URL(file, directory), 'utf8');
  return { name: file.replace(/\.json$/, ''), text, value: JSON.parse(text) };
});

const named = (prefix: string): readonly Fixture[] => {
  const found = fixtures.filter((fixture) => fixture.name.startsWith(prefix));
  assert.ok(found.length > 0, prefix);
  return found;
};

test('every golden server frame is a server frame and no alert', () => {
  for (const { name, text, value } of named('server.')) {
    assert.ok(isServerFrame(value), name);
    assert.ok(!isAlert(value), name);
    assert.deepEqual(parseServerMessage(text), value, name);
  }
});

test('every golden alert is a live alert and no server frame', () => {
  for (const { name, text, value } of named('alert.')) {
    assert.ok(isLiveAlert(value), name);
    assert.ok(!isServerFrame(value) && !isInboxItem(value), name);
    assert.deepEqual(parseServerMessage(text), value, name);
  }
});

test('every golden item is an alert with state', () => {
  for (const { name, value } of named('item.')) {
    assert.ok(isInboxItem(value), name);
    assert.ok(!isLiveAlert(value), name);
  }
});

test('every golden problem is a problem with a known code', () => {
  for (const { name, value } of named('problem.')) {
    assert.ok(isProblem(value) && isErrorCode(value.code), name);
  }
});

test('no other fixture passes for a frame of the server', () => {
  for (const { name, value } of fixtures.filter((fixture) => /^(client|http|problem)\./.test(fixture.name))) {
    assert.ok(!isServerFrame(value) && !isAlert(value), name);
  }
});

test('unknown fields are harmless, unknown types are ignored', () => {
  for (const { name, value } of [...named('server.'), ...named('alert.')]) {
    assert.ok(typeof value === 'object');
    assert.notEqual(parseServerMessage(JSON.stringify({ ...value, x_later: [] })), null, name);
    assert.equal(parseServerMessage(JSON.stringify({ ...value, type: 'belfry.later' })), null, name);
  }
  for (const text of ['', '[]', 'null', '1', '{}', '{"type":"ping"}', '{"type":1,"data":{},"timestamp":""}']) {
    assert.equal(parseServerMessage(text), null, text);
  }
});

test('the range of a close code decides', () => {
  for (const { number, advice } of closeCodes) assert.equal(adviceFor(number), advice, String(number));
  const edges = [
    [1000, 'reconnect'],
    [1006, 'reconnect'],
    [1012, 'reconnect'],
    [4399, 'reconnect'],
    [4400, 'authenticate'],
    [4499, 'authenticate'],
    [4500, 'stop'],
    [4999, 'stop'],
    [5000, 'reconnect'],
  ] as const;
  for (const [code, advice] of edges) assert.equal(adviceFor(code), advice, String(code));
  assert.equal(closeCode(4401)?.slug, 'token-invalid');
  assert.equal(closeCode(4999), undefined);
});

test('the names of the protocol are reserved', () => {
  for (const name of [...serverFrameTypes, ...clientFrameTypes, 'belfry.later']) assert.ok(isReservedKind(name), name);
  for (const name of ['deal-notification', 'system-message', 'toString']) assert.ok(!isReservedKind(name), name);
});

test('error codes are known by their own names only', () => {
  for (const code of Object.keys(errorCodes)) assert.ok(isErrorCode(code), code);
  for (const code of ['toString', '', null, 404]) assert.ok(!isErrorCode(code), String(code));
});
