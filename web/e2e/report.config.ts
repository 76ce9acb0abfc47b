import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

// Times hold on a quiet machine only, so they are printed and gate nothing.
export default defineConfig({
  ...base,
  test: { ...base.test, include: ['report/**/*.report.ts'], maxWorkers: 1, testTimeout: 300_000 },
});
