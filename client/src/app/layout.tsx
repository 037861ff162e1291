import type { Metadata, Viewport } from "next";
import localFont from "next/font/local";
import type { ReactNode } from "react";
import { settingsKey } from "@/settings/settings";
import "./globals.css";

// Inter, SIL Open Font License (src/fonts/LICENSE); committed, so that nothing is fetched from elsewhere.
const inter = localFont({
  src: "../fonts/inter-latin-wght-normal.woff2",
  variable: "--font-inter",
  weight: "100 900",
  display: "swap",
});

/** Before anything is drawn: a page that a person set to dark must not flash. The policy knows it by its hash. */
const themeScript = `try{var t=JSON.parse(localStorage.getItem(${JSON.stringify(settingsKey)})).theme;if(t==="light"||t==="dark")document.documentElement.dataset.theme=t}catch(e){}`;

export const metadata: Metadata = {
  title: "Stonepot",
  description: "Talk with a live model: it answers at once, and stops when you interrupt.",
  applicationName: "Stonepot",
  appleWebApp: { capable: true, title: "Stonepot" },
};

export const viewport: Viewport = {
  width: "device-width",
  initialScale: 1,
  // The keyboard of a phone pushes the text box up instead of covering it.
  interactiveWidget: "resizes-content",
  themeColor: [
    { media: "(prefers-color-scheme: light)", color: "#faf7f2" },
    { media: "(prefers-color-scheme: dark)", color: "#141110" },
  ],
};

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    // The script below has set the theme when React looks.
    <html lang="en" className={inter.variable} suppressHydrationWarning>
      <head>
        <script dangerouslySetInnerHTML={{ __html: themeScript }} />
      </head>
      <body className="bg-paper font-sans text-ink">{children}</body>
    </html>
  );
}
