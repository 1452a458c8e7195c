// A question and its answer, as the page shows them.
import { button, element, isOfInputMethod, patch } from "../element.js";
import { say } from "../language.js";
import { Attachments, folded } from "./attachments.js";
import { Library, arrivals } from "./prose/library.js";
import { noticeOf, statisticsOf, statusOf } from "../words.js";

const markdown = new Library(() => import("./prose/markdown.js"));

export class ExchangeView {
  #exchange;
  #actions;
  #question = element("div", { class: "question" });
  #status = element("p", { class: "status" });
  #thoughts = element("p", { dir: "auto", lang: "" });
  #thinking = element("details", { class: "thinking" }, element("summary", {}, say("thinking")), this.#thoughts);
  #prose = element("div", { class: "prose", lang: "" }); // the model may write in any language
  #notice = element("div", { class: "notice" });
  #statistics = element("span", { class: "statistics" });
  #copy = button(say("answer.copy"), "copy", { class: "quiet", "data-copy": "answer" });
  #edit = button(say("edit"), "edit", { class: "quiet edit", click: () => this.edit() });
  #again;
  #continue;
  #turn;
  #rendered = {};

  /**
   * @param actions {resend(exchange, question, files), regenerate(exchange), turn(exchange), goOn()}; nothing is done
   *   while something is answered.
   */
  constructor(exchange, actions) {
    this.#exchange = exchange;
    this.#actions = actions;
    markdown.get(); // so that it is there when the answer begins
    const regenerate = () => actions.regenerate(exchange);
    this.#again = button(say("answer.again"), "again", { class: "quiet", click: regenerate }, { labelled: true });
    this.#continue = button(say("answer.continue"), "send", { class: "quiet", click: () => actions.goOn() }, { labelled: true });
    this.#turn = button(say("answer.other"), "turn", { class: "quiet", click: () => actions.turn(exchange) }, { labelled: true });
    this.root = element(
      "li",
      { class: "exchange" },
      element("h2", { class: "hidden" }, say("you")),
      this.#question,
      element("h2", { class: "hidden" }, say("answer")),
      element(
        "div",
        { class: "answer" },
        this.#status,
        this.#thinking,
        this.#prose,
        this.#notice,
        element("div", { class: "below" }, this.#statistics, this.#copy, this.#again, this.#turn, this.#continue),
      ),
    );
    this.#showQuestion();
  }

  /** The answer as it is seen, for a screen reader. */
  get text() {
    const parts = [...this.#notice.children, this.#prose].filter((part) => !part.hidden);
    return parts.map((part) => part.textContent.trim()).filter(Boolean).join(" ");
  }

  /** The answer's Markdown, for the clipboard. */
  get source() {
    return this.#exchange.answer.text;
  }

  /**
   * Show the exchange as it is now.
   * @param isOpenHere whether this tab waits for the answer.
   * @param isFree whether nothing is being answered in its conversation, so that it can be edited.
   * @param isLast whether it can be answered again.
   */
  update({ isOpenHere, isFree, isLast }) {
    const { answer, leftOut } = this.#exchange;
    const status = isOpenHere ? statusOf(answer) : "";
    this.#status.textContent = status;
    this.#status.hidden = !status;
    const isRefused = answer.state === "refused"; // whose words are the policy's, and stand in the notice
    if (!isRefused) this.#render(answer.text, isOpenHere);
    this.#thinking.hidden = isRefused || !answer.thoughts;
    this.#thoughts.textContent = answer.thoughts ?? "";
    this.#prose.hidden = isRefused || !answer.text;
    this.#prose.classList.toggle("writing", isOpenHere && answer.text !== "");
    this.#showNotice(noticeOf(this.#exchange, isOpenHere));
    this.#statistics.textContent = isOpenHere ? "" : statisticsOf(answer);
    this.#copy.hidden = isOpenHere || isRefused || !answer.text;
    this.#again.hidden = !(isFree && isLast);
    this.#turn.hidden = !(isFree && isLast && this.#exchange.others?.length);
    this.#continue.hidden = !(isFree && isLast && answer.finish === "length");
    this.#edit.hidden = !isFree;
    this.root.classList.toggle("refused", isRefused);
    this.root.classList.toggle("left-out", leftOut);
    this.root.setAttribute("aria-busy", String(isOpenHere));
  }

  #render(text, isWriting) {
    const before = this.#rendered;
    const isSame = before.text === text && before.isWriting === isWriting && before.arrivals === arrivals;
    if (isSame) return;
    const fragment = markdown.get()?.render(text, isWriting) ?? plain(text);
    patch(this.#prose, fragment);
    this.#rendered = { text, isWriting, arrivals };
  }

  /** Put the question into a box to be changed and sent again. */
  edit() {
    const area = element("textarea", { dir: "auto", "aria-label": say("edit.label"), rows: "3" });
    area.value = this.#exchange.question;
    const leave = () => {
      this.#showQuestion();
      this.#edit.focus();
    };
    const attachments = new Attachments(this.#exchange.files ?? [], () => {});
    const send = () => {
      const question = area.value.trim();
      const { files } = attachments;
      if (question || files.length) this.#actions.resend(this.#exchange, question, files);
    };
    area.addEventListener("keydown", (event) => {
      if (isOfInputMethod(event)) return;
      if (event.key === "Escape") {
        event.stopPropagation(); // it would stop an answer
        leave();
      } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
    });
    this.#question.replaceChildren(
      element(
        "form",
        { class: "editor", submit: (event) => (event.preventDefault(), send()) },
        attachments.root,
        area,
        element("p", {}, say("edit.note")),
        element(
          "div",
          { class: "buttons" },
          element("button", { type: "button", click: leave }, say("cancel")),
          element("button", { type: "submit", class: "main" }, say("edit.send")),
        ),
      ),
    );
    area.focus();
  }

  #showQuestion() {
    const { question, files = [] } = this.#exchange;
    this.#question.replaceChildren(
      element("div", { class: "asked", dir: "auto", lang: "" }, ...files.map(folded), question),
      this.#edit,
    );
  }

  #showNotice(notice) {
    this.#notice.hidden = !notice;
    this.#notice.className = `notice ${notice?.kind ?? ""}`;
    const { title, text, note } = notice ?? {};
    this.#notice.replaceChildren(
      ...[
        title ? element("strong", {}, title) : null,
        element("p", { dir: "auto" }, text ?? ""),
        note ? element("p", { class: "note" }, note) : null,
      ].filter(Boolean),
    );
  }
}

/** The words as they are written, until the library is there that reads Markdown. */
function plain(text) {
  const fragment = document.createDocumentFragment();
  fragment.append(element("p", { class: "plain", dir: "auto" }, text));
  return fragment;
}
