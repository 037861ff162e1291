import coreWebVitals from "eslint-config-next/core-web-vitals";
import typescript from "eslint-config-next/typescript";

const config = [
  { ignores: [".next/**", "out/**", "public/worklets/**", "test-results/**", "next-env.d.ts", "src/voice/worklets.gen.ts", "src/entry/scripts.gen.ts", ".scripts/**", "packages/voice/dist/**"] },
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
  {
    // What the page knows of the conversation comes through hooks; of src/voice it may use types and what is pure.
    files: ["src/components/**"],
    rules: {
      "@typescript-eslint/no-restricted-imports": [
        "error",
        {
          paths: [
            { name: "@/voice", message: "Import the module itself: the page carries only what it uses." },
            { name: "@/voice/api", importNames: ["createSession", "readConfig"], message: "Use a hook of src/hooks." },
            ...["audio", "browser", "call", "capture", "connection", "pictures", "playback"].map((name) => ({
              name: `@/voice/${name}`,
              allowTypeImports: true,
              message: "Use a hook of src/hooks.",
            })),
          ],
        },
      ],
    },
  },
  { files: ["scripts/**", "e2e/**", "packages/**"], rules: { "no-console": "off" } },
];

export default config;
