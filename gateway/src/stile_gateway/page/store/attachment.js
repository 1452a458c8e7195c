// A text file that goes with a question: {name, text}. Plain data, kept with the question (conversation.js).

/** A file cannot be attached. `reason` is one of "binary", "encoding", "empty", "unreadable", "large". */
export class AttachmentError extends Error {
  constructor(reason, { name, size, most }) {
    super(reason);
    this.reason = reason;
    this.name = name;
    this.size = size;
    this.most = most;
  }
}

/** Control characters that no text has. A text may have those for lines, tabs, pages and terminals. */
const BINARY = /[\0-\x08\x0e-\x1a\x1c-\x1f]/;
const NAME_CHARS = 100;

/**
 * Read a file as text: UTF-8, or UTF-16 if it says so itself.
 * @param {File} file
 * @param most how many bytes there is room for.
 * @throws {AttachmentError}
 */
export async function readAttachment(file, most) {
  const about = { name: nameOf(file), size: file.size, most };
  if (file.size > most) throw new AttachmentError("large", about);
  let bytes;
  try {
    bytes = new Uint8Array(await file.arrayBuffer());
  } catch {
    throw new AttachmentError("unreadable", about); // a folder, or a file that is gone
  }
  if (bytes.length === 0) throw new AttachmentError("empty", about);
  return { name: about.name, text: textOf(bytes, about) };
}

function textOf(bytes, about) {
  const [first, second] = bytes;
  const encoding = first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
  let text;
  try {
    text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    // Each byte as one character: enough to see whether it is text in another encoding.
    const bytewise = new TextDecoder("latin1").decode(bytes);
    const isBinary = BINARY.test(bytewise) || bytewise.startsWith("%PDF-");
    throw new AttachmentError(isBinary ? "binary" : "encoding", about);
  }
  if (BINARY.test(text) || text.startsWith("%PDF-")) throw new AttachmentError("binary", about);
  return text.replace(/\r\n?/g, "\n");
}

/** A name in one line, without the signs that would end the code in which it stands. */
function nameOf({ name }) {
  const line = name.replace(/[\p{C}\x60]+/gu, " ").trim();
  return Array.from(line).slice(0, NAME_CHARS).join("") || "file";
}

/** Return what the model is sent for a question with its files: each with its name, in a fence that it cannot end. */
export function questionText({ question, files = [] }) {
  const parts = files.map(({ name, text }) => {
    const longest = Math.max(2, ...(text.match(/\x60+/g) ?? []).map(({ length }) => length));
    const fence = "`".repeat(longest + 1);
    return `\`${name}\`\n${fence}\n${text.replace(/\n$/, "")}\n${fence}`;
  });
  return [...parts, question].filter(Boolean).join("\n\n");
}

/** Return how many bytes a text has as UTF-8. */
export function byteLength(text) {
  return new TextEncoder().encode(text).length;
}
