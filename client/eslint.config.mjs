import coreWebVitals from "eslint-config-next/core-web-vitals";
import typescript from "eslint-config-next/typescript";

const config = [
  { ignores: [".next/**", "out/**", "public/worklets/**", "test-results/**", "next-env.d.ts", "src/voice/worklets.gen.ts", "src/entry/scripts.gen.ts", ".scripts/**"] },
  ...coreWebVitals,
  ...typescript,
  {
    rules: {
      "@typescript-eslint/no-explicit-any": "error",
      "no-console": "error",
      eqeqeq: "error",
    },
  },
  {
    // src/voice is the twin of the Go package live: it must run without a framework, and what stands beside it too.
    files: ["src/voice/**", "src/video/**"],
    rules: {
      "no-restricted-imports": ["error", { patterns: ["react", "react-dom", "next", "next/*", "@/components/*", "@/hooks/*"] }],
    },
  },
  { files: ["scripts/**", "e2e/**"], rules: { "no-console": "off" } },
];

export default config;
