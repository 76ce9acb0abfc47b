import './kinds.js';
import { on, onEvent, publish } from './sdk.js';

on('any-kind', (data) => console_(data['field']));
onEvent('any:event', (data) => console_(data['field']));
publish('any-kind', { any: ['thing', 1, null] });
// @ts-expect-error data is an object
publish('any-kind', 'text');

declare function console_(value: unknown): void;
