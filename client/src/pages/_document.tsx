import { Head, Html, Main, NextScript } from "next/document";
import { settingsKey } from "@/settings/settings";

/** Before anything is drawn: a page that a person set to dark must not flash. The policy knows it by its hash. */
const themeScript = `try{var t=JSON.parse(localStorage.getItem(${JSON.stringify(settingsKey)})).theme;if(t==="light"||t==="dark")document.documentElement.dataset.theme=t}catch(e){}`;

export default function Document() {
  return (
    <Html lang="en">
      <Head>
        <script dangerouslySetInnerHTML={{ __html: themeScript }} />
        <meta name="theme-color" content="#faf7f2" media="(prefers-color-scheme: light)" />
        <meta name="theme-color" content="#141110" media="(prefers-color-scheme: dark)" />
        <meta name="application-name" content="Stonepot" />
        <meta name="mobile-web-app-capable" content="yes" />
        <meta name="apple-mobile-web-app-title" content="Stonepot" />
        <link rel="manifest" href="/manifest.webmanifest" />
        <link rel="icon" href="/icon.svg" sizes="any" type="image/svg+xml" />
        <link rel="apple-touch-icon" href="/apple-icon.png" sizes="180x180" type="image/png" />
      </Head>
      <body className="bg-paper text-ink">
        <Main />
        <NextScript />
      </body>
    </Html>
  );
}
