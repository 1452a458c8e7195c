// What can be done with conversations as a whole: renamed, pinned, deleted, imported.
import { NotAnArchiveError, fromJson, upload } from "./store/archive.js";
import { askForName, confirm } from "./views/dialogs.js";

export class Collection {
  #store;
  #actions;

  /**
   * @param store where they are kept.
   * @param actions {save(conversation), forget(id): stop what is answered in it, changed(sentence): show the list
   *   again and say what happened, warn(sentence)}
   */
  constructor(store, actions) {
    this.#store = store;
    this.#actions = actions;
  }

  async rename(conversation) {
    const title = await askForName(conversation.title);
    if (title === null) return;
    conversation.title = title;
    this.#actions.save(conversation);
    this.#actions.changed("");
  }

  /** Put it at the top of the list, or back to where its time puts it. */
  pin(conversation) {
    conversation.pinned = !conversation.pinned;
    this.#actions.save(conversation);
    this.#actions.changed(conversation.pinned ? "Pinned" : "No longer pinned");
  }

  async remove(conversation) {
    const text = `“${conversation.title}” is deleted from this browser. It cannot be brought back.`;
    if (!(await confirm({ title: "Delete this conversation?", text, action: "Delete" }))) return;
    this.#remove([conversation]);
  }

  async removeAll() {
    const all = this.#store.all();
    const text = `${all.length} of them are deleted from this browser. They cannot be brought back.`;
    if (!(await confirm({ title: "Delete all conversations?", text, action: "Delete all" }))) return;
    this.#remove(all);
  }

  /** Add the conversations of a file. */
  async import() {
    const text = await upload();
    if (text === null) return;
    try {
      const conversations = fromJson(text);
      for (const conversation of conversations) this.#actions.save(conversation);
      this.#actions.changed(`Imported: ${conversations.length}`);
    } catch (error) {
      if (!(error instanceof NotAnArchiveError)) throw error;
      this.#actions.warn(error.message);
    }
  }

  #remove(conversations) {
    for (const { id } of conversations) {
      this.#actions.forget(id);
      this.#store.remove(id);
    }
    this.#actions.changed("Deleted");
  }
}
