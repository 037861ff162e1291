import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: { alias: { "@": new URL("src", import.meta.url).pathname } },
  test: {
    include: ["src/**/*.test.ts"],
    environment: "node",
    restoreMocks: true,
    // Minutes of sound are computed; on a busy machine that takes its time.
    testTimeout: 60_000,
  },
});
