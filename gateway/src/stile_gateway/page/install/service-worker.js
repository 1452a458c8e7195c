// Opens the page when Stile is away, so that stored conversations can be read. It stores the page's own files and
// nothing else: no answer of the API goes through it. The gateway writes two constants above this text: VERSION, and
// FILES, the paths of the page's files. So each version of the page has a service worker of its own.
/* global VERSION, FILES */

const ROOT = new URL("../../", location.href);
const ASSETS = new URL("page/", ROOT).href;
/** Its caches: another Stile may be under another path of the same host. */
const CACHES = `stile-page ${ROOT.pathname} `;
const CACHE = CACHES + VERSION;
/** A page that has not come after this time is taken from the cache. */
const WAIT_MS = 3_000;
const paths = new Set(FILES);

addEventListener("install", (event) => {
  event.waitUntil(store());
  // A browser that knows routes takes the files without waking this script.
  const urlPattern = { pathname: new URL(addressOf("*")).pathname };
  event.waitUntil(event.addRoutes?.({ condition: { urlPattern }, source: { cacheName: CACHE } }));
});
addEventListener("activate", (event) => event.waitUntil(begin()));
addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const url = new URL(request.url);
  if (request.mode === "navigate" && url.origin + url.pathname === ROOT.href) event.respondWith(firstPage(event));
  else if (url.href.startsWith(ASSETS)) {
    const [, version = null, path] = /^(?:([0-9a-f]{16})\/)?([^?#]*)/.exec(url.href.slice(ASSETS.length));
    if (paths.has(path)) event.respondWith(file(request, version, path));
  }
});
addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(showPage());
});

function addressOf(path) {
  return `${ASSETS}${VERSION}/${path}`;
}

/** Store all files of this version, or none. */
async function store() {
  const cache = await caches.open(CACHE);
  try {
    const first = await fetch(ROOT, { cache: "no-cache" });
    // A new version may be served just now, or a proxy wants a password first.
    if (!first.ok || !(await first.clone().text()).includes(VERSION)) throw new Error("another version, or a proxy");
    await cache.put(ROOT, first);
    await cache.addAll(FILES.map(addressOf)); // most of them are in the browser's own cache already
  } catch (error) {
    await caches.delete(CACHE);
    throw error; // the next opening of the page tries again
  }
  // An open page keeps its files: their addresses have its version in them.
  await skipWaiting();
}

async function begin() {
  for (const name of await caches.keys()) {
    if (name.startsWith(CACHES) && name !== CACHE) await caches.delete(name);
  }
  await registration.navigationPreload?.enable();
  await clients.claim();
}

/** The page as Stile serves it now; the stored one if Stile, or a proxy in front of it, is away. */
async function firstPage(event) {
  const coming = Promise.resolve(event.preloadResponse).then((answer) => answer ?? fetch(event.request));
  event.waitUntil(coming.catch(() => {}));
  const late = new Promise((goOn) => setTimeout(goOn, WAIT_MS));
  const answer = await Promise.race([coming, late]).catch(() => null);
  if (answer && answer.status < 500) return answer;
  return (await stored(ROOT)) ?? coming;
}

async function file(request, version, path) {
  if (version === VERSION) return (await stored(addressOf(path))) ?? fetch(request);
  try {
    return await fetch(request);
  } catch (error) {
    const known = await stored(addressOf(path));
    if (!known) throw error;
    return known;
  }
}

async function stored(address) {
  const cache = await caches.open(CACHE);
  return cache.match(address, { ignoreVary: true });
}

/** Show the tab that a notification is of, or open the page. */
async function showPage() {
  const tabs = await clients.matchAll({ type: "window" });
  const own = tabs.find(({ url }) => url.startsWith(ROOT.href));
  if (own) await own.focus();
  else await clients.openWindow(ROOT.href);
}
