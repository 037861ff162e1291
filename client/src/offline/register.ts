/** Keeps the page that is shown without a network. Browsers offer it on secure origins only; the page works without it. */
export function keepOfflinePage(): void {
  if (!window.isSecureContext || !("serviceWorker" in navigator)) return;
  const register = (): void => {
    // Refused: a private window, or a front end that has none.
    navigator.serviceWorker.register("/sw.js", { updateViaCache: "none" }).catch(() => undefined);
  };
  // What the page itself needs comes first.
  if (document.readyState === "complete") register();
  else window.addEventListener("load", register, { once: true });
}
