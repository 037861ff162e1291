import type { AppProps } from "next/app";
import localFont from "next/font/local";
import Head from "next/head";
import { rootId } from "@/entry/root";
import "@/globals.css";

// Inter, SIL Open Font License (src/fonts/LICENSE); committed, so that nothing is fetched from elsewhere.
const inter = localFont({
  src: "../fonts/inter-latin-wght-normal.woff2",
  variable: "--font-inter",
  weight: "100 900",
  // A font that comes late waits for the next page: a swap moves words that are being read.
  display: "optional",
});

/** What every page is drawn in. Its inside is what src/entry takes over, so it holds the page and nothing else. */
export default function App({ Component, pageProps }: AppProps) {
  return (
    <>
      <Head>
        {/* The keyboard of a phone pushes the text box up instead of covering it. */}
        <meta name="viewport" content="width=device-width, initial-scale=1, interactive-widget=resizes-content" />
      </Head>
      <div id={rootId} className={`${inter.variable} font-sans`}>
        <Component {...pageProps} />
      </div>
    </>
  );
}
