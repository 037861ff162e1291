import { defineConfig } from "vitest/config";

/** The client under Node against a built server: see e2e/README.md. */
export default defineConfig({
  test: {
    include: ["e2e/**/*.test.ts"],
    environment: "node",
    testTimeout: 60_000,
    hookTimeout: 30_000,
  },
});
