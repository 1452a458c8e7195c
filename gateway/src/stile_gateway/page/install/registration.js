// Has the browser open the page without Stile too (service-worker.js).

/** Register the service worker, if the browser has one for this address: on plain HTTP it has none. */
export function install() {
  if (!navigator.serviceWorker) return;
  // What the page itself needs comes first.
  if (document.readyState === "complete") register();
  else addEventListener("load", register);
}

async function register() {
  const address = new URL("page/install/service-worker.js", document.baseURI).href;
  const createScriptURL = (text) => text;
  // The page's policy accepts a script's address only from here.
  const policy = globalThis.trustedTypes?.createPolicy("stile-service-worker", { createScriptURL });
  const script = policy?.createScriptURL(address) ?? address;
  try {
    await navigator.serviceWorker.register(script, { scope: "./", updateViaCache: "none" });
  } catch {
    // The browser does not trust the certificate, or keeps nothing for this address. The page works without a service worker.
  }
}
