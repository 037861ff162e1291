import type { NextConfig } from "next";

const config: NextConfig = {
  // The Go server embeds the export; there is no Node server behind the page.
  output: "export",
  // `x/index.html` instead of `x.html` beside a folder `x/`, which file servers answer with 403.
  trailingSlash: true,
  images: { unoptimized: true },
  // A fixed id makes two builds of the same source byte-identical; file names carry content hashes anyway.
  generateBuildId: () => "stonepot",
  poweredByHeader: false,
  reactStrictMode: true,
  // The repository's root has no package.json; without this Next looks for one above.
  turbopack: { root: import.meta.dirname },
};

export default config;
