// Server-sent events from a fetched body (https://html.spec.whatwg.org/multipage/server-sent-events.html).
// The browser's own EventSource can neither POST nor send a key.

/** The gateway sends a comment after ten silent seconds. If two of them are missing, the connection is dead. */
const SILENT_MS = 25_000;
const LOOK_EVERY_MS = 2_000;

/**
 * Yield the events of a stream as they come; comments are dropped.
 *
 * A connection that died while the device slept reports no error, so a stream that is silent for too long ends.
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<{name: string, data: string, id: string|undefined}>}
 */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let heard = Date.now();
  const watch = setInterval(() => {
    if (Date.now() - heard > SILENT_MS) reader.cancel().catch(() => {});
  }, LOOK_EVERY_MS);
  let rest = "";
  let name = "";
  let id;
  let data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      heard = Date.now();
      const lines = (rest + value).split(/\r\n|\n|\r(?!$)/); // a \r at the end may be half of a \r\n
      rest = lines.pop();
      for (const line of lines) {
        if (line === "") {
          if (data.length) yield { name: name || "message", data: data.join("\n"), id };
          name = "";
          id = undefined;
          data = [];
        }
        const colon = line.indexOf(":");
        const field = colon < 0 ? line : line.slice(0, colon);
        const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (field === "event") name = text;
        else if (field === "data") data.push(text);
        else if (field === "id") id = text;
      }
    }
  } finally {
    clearInterval(watch);
    reader.cancel().catch(() => {}); // it may have failed already, which the reader was told
  }
}
