// Tells the user of a hidden tab that an answer is ready: by the title, and by a notification if it is allowed.

import { say } from "../language.js";

const READY = "● ";

export class Notice {
  #title = document.title;
  #isReady = false;
  #notifies = false;

  constructor() {
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) return;
      this.#isReady = false;
      this.#draw();
    });
  }

  /** The title of the tab. */
  set title(title) {
    this.#title = title;
    this.#draw();
  }

  /** Whether to notify; the browser asks the user once. It has no notifications on plain HTTP. */
  set notifies(notifies) {
    this.#notifies = notifies;
    if (notifies && globalThis.Notification?.permission === "default") Notification.requestPermission();
  }

  /** An answer in the conversation `title` is ready. If the page is visible, nothing is said. */
  show(title) {
    if (!document.hidden) return;
    this.#isReady = true;
    this.#draw();
    if (!this.#notifies || globalThis.Notification?.permission !== "granted") return;
    const notification = new Notification(say("ready.notice"), { body: title, tag: "stile" });
    notification.addEventListener("click", () => globalThis.focus());
  }

  #draw() {
    document.title = (this.#isReady ? READY : "") + this.#title;
  }
}
