import { defineConfig } from "vitest/config";

// One Chromium and one server for all files: they run one after the other.
export default defineConfig({
  test: {
    include: ["test/browser/**/*.test.ts"],
    environment: "node",
    globalSetup: "test/browser/signin.ts",
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
