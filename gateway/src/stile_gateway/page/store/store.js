// Conversations, the key, and which conversation this tab shows: kept in the browser, and nowhere else.
// Each conversation has an entry of its own, so that two tabs do not overwrite each other's.
import { readSettings } from "./settings.js";

const CONVERSATION = "stile.conversation.";
const KEY = "stile.key";
const CURRENT = "stile.current";
const DRAFT = "stile.draft";
const DRAFT_FILES = "stile.draft.files";
const SETTINGS = "stile.settings";

/** The browser keeps no more, as its room is full. */
export class FullError extends Error {}

/** In place of a browser's storage that must not be used: holds until the page is left. */
class Memory {
  #entries = new Map();

  get length() {
    return this.#entries.size;
  }
  key(index) {
    return [...this.#entries.keys()][index] ?? null;
  }
  getItem(key) {
    return this.#entries.get(key) ?? null;
  }
  setItem(key, value) {
    this.#entries.set(key, value);
  }
  removeItem(key) {
    this.#entries.delete(key);
  }
}

function usable(open) {
  try {
    const storage = open();
    storage.getItem(KEY);
    return storage;
  } catch {
    return null; // cookies and storage are forbidden for this address
  }
}

export class Store {
  #local = usable(() => localStorage);
  #tab = usable(() => sessionStorage) ?? new Memory();
  #draftFiles = null;

  /** Whether anything outlasts the page. */
  isKept = this.#local !== null;

  constructor() {
    this.#local ??= new Memory();
  }

  /** Return every conversation: the pinned ones, then the others, each with the last used first. */
  all() {
    const ids = [];
    for (let index = 0; index < this.#local.length; index += 1) {
      const key = this.#local.key(index);
      if (key.startsWith(CONVERSATION)) ids.push(key.slice(CONVERSATION.length));
    }
    const found = ids.map((id) => this.get(id)).filter((conversation) => conversation !== null);
    const isBefore = (a, b) => (Boolean(a.pinned) === Boolean(b.pinned) ? a.updated > b.updated : a.pinned);
    return found.sort((a, b) => (isBefore(a, b) ? -1 : 1));
  }

  get(id) {
    try {
      const conversation = JSON.parse(this.#local.getItem(CONVERSATION + id));
      return conversation?.version === 1 && Array.isArray(conversation.exchanges) ? conversation : null;
    } catch {
      return null; // not written by this page
    }
  }

  /** @throws {FullError} */
  save(conversation) {
    this.#set(CONVERSATION + conversation.id, JSON.stringify(conversation));
  }

  remove(id) {
    this.#local.removeItem(CONVERSATION + id);
  }

  get key() {
    return this.#local.getItem(KEY);
  }
  set key(key) {
    if (key) this.#set(KEY, key);
    else this.#local.removeItem(KEY);
  }

  get settings() {
    try {
      return readSettings(JSON.parse(this.#local.getItem(SETTINGS)));
    } catch {
      return readSettings(null); // not written by this page
    }
  }
  set settings(settings) {
    this.#set(SETTINGS, JSON.stringify(settings));
  }

  /** The id of the conversation that this tab shows. */
  get current() {
    return this.#tab.getItem(CURRENT);
  }
  set current(id) {
    if (id) this.#tab.setItem(CURRENT, id);
    else this.#tab.removeItem(CURRENT);
  }

  /** What is written and attached in this tab and not sent: {text, files}. */
  get draft() {
    return { text: this.#tab.getItem(DRAFT) ?? "", files: JSON.parse(this.#tab.getItem(DRAFT_FILES) ?? "[]") };
  }
  set draft({ text, files }) {
    this.#setDraft(DRAFT, text);
    if (files === this.#draftFiles) return; // not with each letter of the text
    this.#draftFiles = files;
    this.#setDraft(DRAFT_FILES, files.length ? JSON.stringify(files) : "");
  }

  #setDraft(key, value) {
    try {
      if (value) this.#tab.setItem(key, value);
      else this.#tab.removeItem(key);
    } catch {
      this.#tab.removeItem(key); // without room it stays in the box, and is gone with the page
    }
  }

  /** Call `changed` whenever another tab has changed a conversation. */
  watch(changed) {
    addEventListener("storage", (event) => {
      if (event.key === null || event.key.startsWith(CONVERSATION)) changed();
    });
  }

  #set(key, value) {
    try {
      this.#local.setItem(key, value);
    } catch (error) {
      throw new FullError("The browser's room is full.", { cause: error });
    }
  }
}
