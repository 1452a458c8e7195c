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

  /** Whether to notify, if the browser allows it. */
  set notifies(notifies) {
    this.#notifies = notifies;
  }

  /** Have the browser ask the user; resolves to whether it allows notifications. It has none on plain HTTP. */
  async ask() {
    return (await globalThis.Notification?.requestPermission()) === "granted";
  }

  /** An answer in the conversation `title` is ready. If the page is visible, nothing is said. */
  show(title) {
    if (!document.hidden) return;
    this.#isReady = true;
    this.#draw();
    if (!this.#notifies || globalThis.Notification?.permission !== "granted") return;
    this.#notify(say("ready.notice"), { body: title, tag: "stile", icon: "page/install/icon-192.png" });
  }

  async #notify(text, options) {
    const registration = await navigator.serviceWorker?.getRegistration();
    if (registration?.active) {
      await registration.showNotification(text, options); // on a phone only a service worker can
      return;
    }
    const notification = new Notification(text, options);
    notification.addEventListener("click", () => globalThis.focus());
  }

  #draw() {
    document.title = (this.#isReady ? READY : "") + this.#title;
  }
}
