// What can be done with conversations as a whole: renamed, pinned, deleted, imported.
import { say } from "./language.js";
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
    this.#actions.changed(say(conversation.pinned ? "pinned" : "pinned.not"));
  }

  async remove(conversation) {
    const text = say("delete.one.text", { title: conversation.title });
    if (!(await confirm({ title: say("delete.one"), text, action: say("delete") }))) return;
    this.#remove([conversation]);
  }

  async removeAll() {
    const all = this.#store.all();
    const text = say("delete.all.text", { count: all.length });
    if (!(await confirm({ title: say("delete.all"), text, action: say("delete.all.action") }))) return;
    this.#remove(all);
  }

  /** Add the conversations of a file. */
  async import() {
    const text = await upload();
    if (text === null) return;
    try {
      const conversations = fromJson(text);
      for (const conversation of conversations) this.#actions.save(conversation);
      this.#actions.changed(say("imported", { count: conversations.length }));
    } catch (error) {
      if (!(error instanceof NotAnArchiveError)) throw error;
      this.#actions.warn(say(`import.${error.code}`));
    }
  }

  #remove(conversations) {
    for (const { id } of conversations) {
      this.#actions.forget(id);
      this.#store.remove(id);
    }
    this.#actions.changed(say("deleted"));
  }
}
