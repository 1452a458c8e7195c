// The list of conversations, its search, and what can be done with all of them.
import { asJson, asMarkdown, download } from "../store/archive.js";
import { matches } from "../store/conversation.js";
import { button, element, icon } from "../element.js";
import { locale, say } from "../language.js";

const DAY_MS = 86_400_000;

export class Sidebar {
  #root;
  #list;
  #none;
  #search;
  #actions;
  #shown = { conversations: [], currentId: null, openIds: new Set() };

  /** @param actions {open(id), create(), remove(conversation), removeAll(), all(), import(), changeKey(), changeSettings()} */
  constructor(root, actions) {
    this.#root = root;
    this.#actions = actions;
    this.#list = root.querySelector("#conversations");
    this.#none = root.querySelector("#none");
    this.#search = root.querySelector("#search");
    this.#search.addEventListener("input", () => this.#draw());
    const clicks = {
      "#new": () => actions.create(),
      "#export-json": () => download(asJson(actions.all())),
      "#export-markdown": () => download(asMarkdown(actions.all())),
      "#import": () => actions.import(),
      "#delete-all": () => actions.removeAll(),
      "#change-key": () => actions.changeKey(),
      "#change-settings": () => actions.changeSettings(),
    };
    for (const [selector, click] of Object.entries(clicks)) {
      root.querySelector(selector).addEventListener("click", click);
    }
  }

  /** Show these; `openIds` are the conversations in which something is being answered. */
  show(conversations, currentId, openIds) {
    this.#shown = { conversations, currentId, openIds };
    for (const id of ["#export-json", "#export-markdown", "#delete-all"]) {
      this.#root.querySelector(id).disabled = conversations.length === 0;
    }
    this.#draw();
  }

  #draw() {
    const { conversations, currentId, openIds } = this.#shown;
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    const found = conversations.filter((conversation) => matches(conversation, this.#search.value));
    this.#list.replaceChildren(
      ...found.map((conversation) => this.#item(conversation, currentId, openIds.has(conversation.id))),
    );
    this.#none.hidden = found.length > 0;
    this.#none.textContent = say(conversations.length ? "search.nothing" : "list.empty");
    if (focused) this.#list.querySelector(`[data-id="${focused}"]`)?.focus();
  }

  #item(conversation, currentId, isOpen) {
    const isCurrent = conversation.id === currentId;
    const open = element(
      "button",
      {
        type: "button",
        class: "open",
        "data-id": conversation.id,
        "aria-current": isCurrent ? "true" : null,
        click: () => this.#actions.open(conversation.id),
      },
      element(
        "span",
        { class: "title", dir: "auto", lang: "" },
        ...(conversation.pinned ? [icon("pin"), element("span", { class: "hidden" }, say("pinned.title"))] : []),
        conversation.title,
      ),
      element("span", { class: "when" }, isOpen ? say("list.busy") : dateText(conversation.updated)),
    );
    const remove = button(say("delete.label", { title: conversation.title }), "delete", {
      class: "quiet",
      click: () => this.#actions.remove(conversation),
    });
    return element("li", { class: isOpen ? "busy" : "" }, open, remove);
  }
}

function dateText(iso) {
  const date = new Date(iso);
  const isToday = date.toDateString() === new Date().toDateString();
  if (isToday) return date.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
  const isRecent = Date.now() - date < 300 * DAY_MS;
  return date.toLocaleDateString(locale, isRecent ? { day: "numeric", month: "short" } : { dateStyle: "medium" });
}
