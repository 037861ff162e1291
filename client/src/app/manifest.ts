import type { MetadataRoute } from "next";

// A file of the export; nothing of it is made on request.
export const dynamic = "force-static";

/** What a device needs to keep the page beside its own programs. */
export default function manifest(): MetadataRoute.Manifest {
  return {
    id: "/",
    name: "Stonepot",
    short_name: "Stonepot",
    description: "Talk with a live model: it answers at once, and stops when you interrupt.",
    start_url: "/",
    scope: "/",
    display: "standalone",
    background_color: "#faf7f2",
    theme_color: "#faf7f2",
    categories: ["productivity", "utilities"],
    icons: [
      { src: "/icons/icon-192.png", sizes: "192x192", type: "image/png" },
      { src: "/icons/icon-512.png", sizes: "512x512", type: "image/png" },
      { src: "/icons/maskable-512.png", sizes: "512x512", type: "image/png", purpose: "maskable" },
    ],
  };
}
