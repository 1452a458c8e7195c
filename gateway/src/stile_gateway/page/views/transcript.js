// The conversation that is shown.
import { copy } from "./clipboard.js";
import { element } from "../element.js";
import { say } from "../language.js";
import { unsentCount } from "../store/conversation.js";
import { ExchangeView } from "./exchange.js";
import { whenLoaded } from "./prose/library.js";

/** How near to its end (in pixels) the reader must be to be taken along with what is written. */
const NEAR = 80;
const COPIED_MS = 2_000;

export class Transcript {
  #root;
  #actions;
  #announce;
  #views = new Map();
  #conversation = null;
  #unsent;
  #openId = null;

  /**
   * @param root the scrolling element.
   * @param actions as ExchangeView's, and {create()}: begin a new conversation.
   * @param announce tells screen readers a sentence.
   */
  constructor(root, actions, announce) {
    this.#root = root;
    this.#actions = actions;
    this.#announce = announce;
    const text = element("p");
    const create = element("button", { type: "button", click: () => actions.create() }, say("new"));
    this.#unsent = { text, root: element("li", { class: "unsent" }, text, create) };
    whenLoaded(() => this.#conversation && this.update(this.#openId));
    root.addEventListener("click", (event) => this.#copyFrom(event.target.closest("[data-copy]")));
  }

  /** Show a conversation from its beginning; `openId` is the exchange that this tab has open. */
  show(conversation, openId) {
    this.#conversation = conversation;
    this.#views = new Map(
      conversation.exchanges.map((exchange) => [exchange.id, new ExchangeView(exchange, this.#actions)]),
    );
    const roots = [...this.#views.values()].map((view) => view.root);
    this.#root.replaceChildren(...(roots.length ? [element("ol", {}, ...roots)] : []));
    this.update(openId);
    this.#root.scrollTop = this.#root.scrollHeight;
  }

  /** Show what has changed in it. */
  update(openId) {
    this.#openId = openId;
    const isNear = this.#root.scrollHeight - this.#root.scrollTop - this.#root.clientHeight < NEAR;
    const exchanges = this.#conversation.exchanges;
    const isFree = openId === null;
    this.#showUnsent();
    for (const exchange of exchanges) {
      const isLast = exchange === exchanges.at(-1);
      this.#views.get(exchange.id).update({ isOpenHere: exchange.id === openId, isFree, isLast });
    }
    if (isNear) this.#root.scrollTop = this.#root.scrollHeight;
  }

  #showUnsent() {
    const count = unsentCount(this.#conversation);
    const first = this.#conversation.exchanges[count];
    if (count === 0 || !first) {
      this.#unsent.root.remove();
      return;
    }
    this.#unsent.text.textContent = say("unsent", { count });
    const { root } = this.#views.get(first.id);
    if (root.previousElementSibling !== this.#unsent.root) root.before(this.#unsent.root);
  }

  /** Edit the last question. */
  editLast() {
    const last = this.#conversation?.exchanges.at(-1);
    if (last) this.#views.get(last.id).edit();
  }

  /** An answer as it is seen, for a screen reader. */
  textOf(exchange) {
    return this.#views.get(exchange.id)?.text ?? "";
  }

  async #copyFrom(button) {
    if (!button) return;
    const text =
      button.dataset.copy === "code"
        ? button.closest("figure").querySelector("pre").textContent
        : [...this.#views.values()].find((view) => view.root.contains(button)).source;
    const copied = await copy(text);
    this.#announce(say(copied ? "copied" : "copied.not"));
    button.classList.toggle("copied", copied);
    setTimeout(() => button.classList.remove("copied"), COPIED_MS);
  }
}
