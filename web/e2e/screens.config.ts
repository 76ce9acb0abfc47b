import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

export default defineConfig({
  ...base,
  test: { ...base.test, include: ['screens/*.ts'], maxWorkers: 1, testTimeout: 120_000 },
});
