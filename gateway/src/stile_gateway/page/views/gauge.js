// How full the model's context is, after the latest answer.
import { say } from "../language.js";
import { tokensOf } from "../store/conversation.js";

export class Gauge {
  #meter;
  #contexts = new Map();

  constructor(meter) {
    this.#meter = meter;
  }

  /** What is known of the models: [{name, context}]. */
  set models(models) {
    this.#contexts = new Map(models.map(({ name, context }) => [name, context]));
  }

  /** Show it for a conversation; nothing is shown if it is not known. */
  show(conversation) {
    const used = tokensOf(conversation);
    const size = this.#contexts.get(conversation.exchanges.findLast(({ answer }) => answer.model)?.answer.model);
    this.#meter.hidden = !used || !size;
    if (this.#meter.hidden) return;
    const share = Math.min(1, used / size);
    this.#meter.value = share;
    const text = say("context", { percent: Math.round(100 * share), used, size });
    this.#meter.setAttribute("aria-label", text);
    this.#meter.title = text;
  }
}
