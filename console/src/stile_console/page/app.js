// The composition: the session, which view is shown, and when it is read again.
import { Api } from "./api.js";
import { element } from "./element.js";
import { Health } from "./views/health.js";
import { History } from "./views/history.js";
import { Now } from "./views/now.js";
import { People } from "./views/people.js";
import { Policy } from "./views/policy.js";
import { SignIn } from "./views/signin.js";

const LOOK_EVERY_MS = 2000;
const SAID_FOR_MS = 8000;

const VIEWS = [
  ["now", "Now", Now],
  ["history", "What happened", History],
  ["people", "People", People],
  ["policy", "Policy", Policy],
  ["health", "Health", Health],
];

class App {
  #main = document.getElementById("view");
  #nav = document.getElementById("views");
  #trouble = document.getElementById("trouble");
  #signOut = document.getElementById("sign-out");
  #announcer = document.getElementById("announcer");
  #api = new Api((reason) => this.#showSignIn(reason));
  #views = new Map();
  #shown = null;
  #isLooking = false;
  #silence = null;

  async start() {
    for (const [name, label, View] of VIEWS) {
      this.#views.set(name, new View(this.#api, (sentence, isBad = false) => this.#announce(sentence, isBad)));
      this.#nav.append(element("a", { href: `#${name}` }, label));
    }
    this.#signOut.addEventListener("click", async () => {
      try {
        await this.#api.signOut();
      } catch (error) {
        if (error.status !== 401) {
          this.#announce(error.message, true);
          return;
        }
        // The session had ended already.
      }
      this.#showSignIn("You are signed out.");
    });
    addEventListener("hashchange", () => this.#follow());
    document.addEventListener("visibilitychange", () => this.#look());
    setInterval(() => this.#look(), LOOK_EVERY_MS);
    await this.#follow();
  }

  /** Open what the address names: a view, or a link with a token. */
  async #follow() {
    if (this.#shown && location.hash === "#view") {
      // The link that skips the menu; the address names the view again.
      history.replaceState(null, "", `#${this.#shown}`);
      this.#main.focus();
      return;
    }
    const token = new URLSearchParams(location.hash.slice(1)).get("token");
    try {
      if (token) {
        history.replaceState(null, "", location.pathname); // not in the history, or on a screenshot
        await this.#api.signIn({ token });
      } else if (!this.#shown && !(await this.#api.isSignedIn())) {
        this.#showSignIn();
        return;
      }
    } catch (error) {
      this.#showSignIn(error.message);
      return;
    }
    this.#show(this.#views.has(location.hash.slice(1)) ? location.hash.slice(1) : VIEWS[0][0]);
  }

  #show(name) {
    this.#shown = name;
    const view = this.#views.get(name);
    this.#nav.hidden = this.#signOut.hidden = false;
    for (const link of this.#nav.children) {
      if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    const [, label] = VIEWS.find(([known]) => known === name);
    document.title = `${label} · Stile`;
    this.#main.replaceChildren(element("h1", {}, label), view.element);
    this.#look();
  }

  #showSignIn(reason = "") {
    this.#shown = null;
    this.#nav.hidden = this.#signOut.hidden = true;
    this.#trouble.hidden = true;
    document.title = "Sign in · Stile";
    const view = new SignIn(this.#api, reason, () => this.#follow());
    this.#main.replaceChildren(element("h1", {}, "Sign in"), view.element);
  }

  /** Say what has happened: to a screen reader, and for some seconds in a corner. */
  #announce(sentence, isBad) {
    this.#announcer.textContent = sentence;
    this.#announcer.className = isBad ? "toast bad" : "toast";
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => (this.#announcer.textContent = ""), SAID_FOR_MS);
  }

  async #look() {
    if (!this.#shown || document.hidden || this.#isLooking) return;
    this.#isLooking = true;
    try {
      await this.#views.get(this.#shown).refresh();
      this.#trouble.hidden = true;
    } catch (error) {
      if (error.status === undefined) throw error;
      this.#trouble.textContent = error.message;
      this.#trouble.hidden = error.status === 401;
    } finally {
      this.#isLooking = false;
    }
  }
}

await new App().start();
