// The composition: what is kept, what is shown, and what happens when something is pressed.
import { Actions } from "./views/actions.js";
import { Answering } from "./answering.js";
import { conversationText } from "./store/archive.js";
import { copy } from "./views/clipboard.js";
import { Collection } from "./collection.js";
import { Composer } from "./views/composer.js";
import { addQuestion, answerAgain, continued, newConversation, turnAnswer, underWay, unsentCount } from "./store/conversation.js";
import { Notice } from "./views/notice.js";
import { install } from "./install/registration.js";
import { Gateway } from "./client/gateway.js";
import { Gauge } from "./views/gauge.js";
import { Health } from "./client/health.js";
import { isOfInputMethod } from "./element.js";
import { Key } from "./key.js";
import { say } from "./language.js";
import { changeSettings } from "./views/settings.js";
import { Menu } from "./views/menu.js";
import { Sidebar } from "./views/sidebar.js";
import { FullError, Store } from "./store/store.js";
import { Transcript } from "./views/transcript.js";
import { Trouble } from "./views/trouble.js";
import { statusOf } from "./words.js";

const DRAW_EVERY_MS = 80;

class App {
  #store = new Store();
  #gateway = new Gateway(() => this.#store.key, (limit) => this.#composer.showLimit(limit));
  #health = new Health(this.#gateway, () => this.#showHealth());
  #key = new Key(this.#store, {
    keep: (key) => this.#keep(() => (this.#store.key = key)),
    entered: () => this.#showHealth(),
  });
  #notice = new Notice();
  #trouble = new Trouble(document.getElementById("trouble"));
  #announcer = document.getElementById("announcer");
  #menu = new Menu(document.getElementById("menu"), document.getElementById("sidebar"));
  #conversation = newConversation();
  #gauge = new Gauge(document.getElementById("context"));
  #summary = null; // the exchange whose answer begins a new conversation
  #told = "";
  #drawn = 0;
  #drawing = null;

  #answering = new Answering(
    {
      gateway: this.#gateway,
      health: this.#health,
      settings: () => this.#store.settings,
      needKey: (error) => this.#key.needAfter(error),
    },
    {
      save: (conversation) => this.#save(conversation),
      changed: (conversation, exchange, isOver) => this.#answerChanged(conversation, exchange, isOver),
    },
  );
  #composer = new Composer(document.getElementById("composer"), {
    ask: (question, files) => this.#ask(addQuestion(this.#conversation, question, files)),
    stop: () => this.#answering.stop(this.#conversation),
    editLast: () => this.#transcript.editLast(),
    draft: (draft) => {
      this.#store.draft = draft;
      this.#health.glance();
    },
    limits: () => this.#gateway.limits(),
  }, this.#store.draft);
  #transcript = new Transcript(
    document.getElementById("transcript"),
    {
      resend: (exchange, question, files) => this.#resend(exchange, question, files),
      regenerate: (exchange) => this.#regenerate(exchange),
      turn: (exchange) => this.#turn(exchange),
      goOn: () => this.#ask(addQuestion(this.#conversation, say("continue.prompt"))),
      summarise: () => this.#summarise(),
      goOnFromHere: () => this.#goOnWith(this.#conversation.exchanges.slice(unsentCount(this.#conversation))),
    },
    (sentence) => this.#announce(sentence),
  );
  #collection = new Collection(this.#store, {
    save: (conversation) => this.#save(conversation),
    forget: (id) => this.#answering.forget(id),
    changed: (sentence) => this.#changedList(sentence),
    warn: (sentence) => this.#trouble.warn(sentence),
  });
  #actions = new Actions({
    pin: () => this.#collection.pin(this.#conversation),
    copy: () => this.#copyConversation(),
    print: () => print(),
  });
  #sidebar = new Sidebar(document.getElementById("sidebar"), {
    open: (id) => this.#open(this.#store.get(id) ?? newConversation()),
    create: () => this.#open(newConversation()),
    remove: (conversation) => this.#collection.remove(conversation),
    removeAll: () => this.#collection.removeAll(),
    all: () => this.#store.all(),
    import: () => this.#collection.import(),
    changeSettings: () => this.#changeSettings(),
    changeKey: () => this.#key.need(say("key.forget")),
  });

  start() {
    this.#key.takeFromLink();
    this.#showSettings(this.#store.settings);
    if (!this.#store.isKept) this.#trouble.warn(say("warn.unkept"));
    this.#store.watch(() => this.#refresh());
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.defaultPrevented || isOfInputMethod(event)) return;
      if (document.querySelector("dialog[open], :popover-open")) return;
      if (!this.#menu.close()) this.#answering.stop(this.#conversation);
    });
    addEventListener("pagehide", () => this.#answering.leave());
    addEventListener("pageshow", (event) => {
      if (!event.persisted) return;
      this.#refresh(); // it comes back as it was left, but for what was being answered
      this.#resumeAll();
    });
    document.getElementById("rename").addEventListener("click", () => this.#collection.rename(this.#conversation));
    this.#resumeAll();
    this.#open(this.#store.get(this.#store.current) ?? newConversation());
    this.#health.check();
    install();
  }

  get #opening() {
    return this.#answering.in(this.#conversation);
  }

  #open(conversation) {
    this.#answering.resume(conversation);
    // If something is being answered in it, its newest words are here and not in the store.
    this.#conversation = this.#answering.in(conversation)?.conversation ?? conversation;
    this.#store.current = this.#conversation.id;
    this.#menu.close();
    this.#show();
    this.#composer.focus();
  }

  /** Another tab has changed something. */
  #refresh() {
    this.#answering.leaveDeleted((id) => this.#store.get(id) !== null);
    if (!this.#opening) {
      this.#conversation = this.#store.get(this.#conversation.id) ?? newConversation();
      if (underWay(this.#conversation)?.answer.id) this.#answering.resume(this.#conversation);
      this.#transcript.show(this.#conversation, this.#opening?.exchange.id ?? null);
    }
    this.#showFrame();
  }

  #resumeAll() {
    for (const conversation of this.#store.all()) this.#answering.resume(conversation);
  }

  #resend(exchange, question, files) {
    if (this.#opening) return;
    const { exchanges } = this.#conversation;
    exchanges.length = exchanges.indexOf(exchange);
    this.#ask(addQuestion(this.#conversation, question, files));
    this.#composer.focus();
  }

  #regenerate(exchange) {
    if (this.#opening) return;
    answerAgain(exchange);
    this.#ask(exchange);
    this.#composer.focus();
  }

  /** Ask for a summary; a new conversation begins with it. */
  #summarise() {
    if (this.#opening) return;
    this.#summary = addQuestion(this.#conversation, say("unsent.summary.prompt"));
    this.#ask(this.#summary);
  }

  /** Open a new conversation that begins with exchanges of this one. */
  #goOnWith(exchanges) {
    if (this.#opening) return;
    const conversation = continued(this.#conversation, exchanges);
    this.#save(conversation);
    this.#open(conversation);
  }

  #turn(exchange) {
    if (this.#opening) return;
    turnAnswer(exchange);
    this.#save(this.#conversation);
    this.#show();
  }

  #ask(exchange) {
    const conversation = this.#conversation;
    this.#answering.run(conversation, exchange);
    this.#save(conversation);
    this.#show();
  }

  #answerChanged(conversation, exchange, isOver) {
    if (conversation === this.#conversation) this.#draw(isOver ? exchange : null);
    if (!isOver) return;
    this.#showFrame();
    this.#notice.show(conversation.title);
    if (exchange.answer.model) this.#showModel(exchange.answer.model);
    if (exchange !== this.#summary) return;
    this.#summary = null;
    if (exchange.answer.state === "done" && conversation === this.#conversation) this.#goOnWith([exchange]);
  }

  /** Show the answer as it is now: at once if it is over, else no oftener than the eye can follow. */
  #draw(over) {
    clearTimeout(this.#drawing);
    const wait = over ? 0 : Math.max(0, this.#drawn + DRAW_EVERY_MS - performance.now());
    if (wait) {
      this.#drawing = setTimeout(() => this.#draw(null), wait);
      return;
    }
    this.#drawn = performance.now();
    this.#transcript.update(this.#opening?.exchange.id ?? null);
    if (over) this.#announce(this.#transcript.textOf(over));
    else if (this.#opening) this.#tell(statusOf(this.#opening.exchange.answer) || say("state.writing"));
  }

  async #copyConversation() {
    const copied = await copy(conversationText(this.#conversation));
    this.#announce(say(copied ? "copied" : "copied.not"));
    return copied;
  }

  #tell(status) {
    if (status !== this.#told) this.#announce(status);
    this.#told = status;
  }

  #announce(sentence) {
    this.#told = "";
    this.#announcer.textContent = sentence;
  }

  #show() {
    this.#showFrame(); // first: what is hidden does not scroll to its end
    this.#transcript.show(this.#conversation, this.#opening?.exchange.id ?? null);
  }

  #showFrame() {
    const isEmpty = this.#conversation.exchanges.length === 0;
    document.getElementById("welcome").hidden = !isEmpty;
    document.getElementById("transcript").hidden = isEmpty;
    const title = document.getElementById("title");
    title.textContent = this.#conversation.title || say("new");
    title.lang = this.#conversation.title ? "" : document.documentElement.lang; // people ask in any language
    document.getElementById("rename").hidden = isEmpty;
    this.#actions.show(this.#conversation);
    this.#notice.title = this.#conversation.title ? `${this.#conversation.title} – Stile` : "Stile";
    this.#gauge.show(this.#conversation);
    this.#composer.show(this.#opening !== null);
    this.#sidebar.show(this.#store.all(), this.#conversation.id, this.#answering.ids);
  }

  #showHealth() {
    if (this.#health.missing === null) return; // a key can be entered before the first look has ended
    this.#trouble.show(this.#health.missing, this.#health.since);
    const isReady = this.#health.missing.length === 0;
    if (isReady) this.#lookAtModels();
  }

  async #lookAtModels() {
    try {
      const models = await this.#gateway.models();
      this.#showModel(models[0]?.name ?? "");
      this.#gauge.models = models;
      this.#gauge.show(this.#conversation);
    } catch (error) {
      if (error.needsKey) this.#key.refused(error);
    }
  }

  #showModel(name) {
    document.getElementById("model").textContent = name;
  }

  async #changeSettings() {
    const models = await this.#gateway.models().catch(() => []);
    const names = models.map(({ name }) => name);
    const settings = await changeSettings(this.#store.settings, names);
    if (settings === null) return;
    const isSameLanguage = settings.language === this.#store.settings.language;
    this.#keep(() => (this.#store.settings = settings));
    if (!isSameLanguage) location.reload(); // nothing is lost: what is being answered goes on
    else this.#showSettings(settings);
    if (settings.notifies && !(await this.#notice.ask())) this.#trouble.warn(say("warn.notify"));
  }

  #showSettings({ textSize, entersSend, notifies }) {
    this.#notice.notifies = notifies;
    document.documentElement.dataset.textSize = textSize;
    this.#composer.entersSend = entersSend;
  }

  #changedList(sentence) {
    const isGone = this.#conversation.exchanges.length > 0 && this.#store.get(this.#conversation.id) === null;
    if (isGone) this.#open(newConversation());
    this.#showFrame();
    if (sentence) this.#announce(sentence);
  }

  #save(conversation) {
    this.#keep(() => this.#store.save(conversation));
  }

  #keep(save) {
    try {
      save();
      if (this.#store.isKept) this.#trouble.warn("");
    } catch (error) {
      if (!(error instanceof FullError)) throw error;
      this.#trouble.warn(say("warn.full"));
    }
  }
}

new App().start();
