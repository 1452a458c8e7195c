// The answers that are under way in this tab: at most one for each conversation.
import { Asking } from "./client/asking.js";
import { NOT_SENT } from "./client/failure.js";
import { isUnderWay, underWay } from "./store/conversation.js";

const SAVE_EVERY_MS = 1_000;
/** A question that was kept back is not sent after this time: the user does not expect it any more. */
const SEND_WITHIN_MS = 3_600_000;

export class Answering {
  #means;
  #actions;
  #openings = new Map(); // conversation id -> {asking, conversation, exchange}

  /**
   * @param means {gateway, health, settings(): how a new question is asked, needKey(error)}
   * @param actions {save(conversation), changed(conversation, exchange, isOver): an answer has changed}
   */
  constructor(means, actions) {
    this.#means = means;
    this.#actions = actions;
  }

  /** Return what is under way in a conversation, as {conversation, exchange}, or null. */
  in({ id }) {
    return this.#openings.get(id) ?? null;
  }

  /** The ids of the conversations in which an answer is under way. */
  get ids() {
    return new Set(this.#openings.keys());
  }

  run(conversation, exchange) {
    let saved = 0;
    let id = exchange.answer.id;
    const changed = () => {
      if (this.in(conversation)?.exchange !== exchange) return; // it was deleted
      const isOver = !isUnderWay(exchange.answer);
      if (isOver) this.#openings.delete(conversation.id);
      // Its id at once: with it, whatever happens to this page, the answer is found.
      if (isOver || id !== exchange.answer.id || Date.now() - saved > SAVE_EVERY_MS) {
        saved = Date.now();
        id = exchange.answer.id;
        this.#actions.save(conversation);
      }
      this.#actions.changed(conversation, exchange, isOver);
    };
    const { gateway, health, settings, needKey } = this.#means;
    const asking = new Asking({ gateway, health, conversation, exchange, settings: settings(), changed, needKey });
    this.#openings.set(conversation.id, { asking, conversation, exchange });
    asking.run();
  }

  /** Go on with what was being answered when a page was left. */
  resume(conversation) {
    if (this.in(conversation)) return;
    const exchange = underWay(conversation);
    if (exchange === null) return;
    if (!exchange.answer.id && Date.now() - exchange.answer.at > SEND_WITHIN_MS) {
      exchange.answer = { state: "failed", text: "", error: { code: NOT_SENT } };
      this.#actions.save(conversation);
      return;
    }
    this.run(conversation, exchange);
  }

  stop(conversation) {
    this.#openings.get(conversation.id)?.asking.stop();
  }

  /** Stop what is under way in a conversation that is deleted. */
  forget(id) {
    const opening = this.#openings.get(id);
    this.#openings.delete(id); // first, so that its last change is not kept
    opening?.asking.stop();
  }

  /** Another tab has changed conversations: leave what is under way in those that are not kept any more. */
  leaveDeleted(isKept) {
    for (const [id, { asking }] of this.#openings) {
      if (isKept(id)) continue;
      this.#openings.delete(id);
      asking.leave();
    }
  }

  /** The page is being left: what is under way is kept as far as it has come, and goes on at its next load. */
  leave() {
    for (const { asking, conversation } of this.#openings.values()) {
      this.#actions.save(conversation);
      asking.leave();
    }
    this.#openings.clear();
  }
}
