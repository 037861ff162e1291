import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["src/**/*.test.ts"],
    environment: "node",
    restoreMocks: true,
    // Minutes of sound are computed; on a busy machine that takes its time.
    testTimeout: 60_000,
  },
});
