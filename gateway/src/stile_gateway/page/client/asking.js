// One question on its way: sent, waiting, answered, stopped; and sent again where nobody could take it.
import { historyBefore, exchangeAt } from "../store/conversation.js";
import { Failure, UNREACHABLE } from "./failure.js";

/** Nobody took the question, so it is kept until everything is there again. */
const AWAY = new Set([UNREACHABLE, "bus_unavailable", "no_filter", "shutting_down"]);
/** There was no room for it, so it is sent again a little later. */
const FULL = new Set(["queue_full", "client_queue_full"]);
const FULL_SECONDS = 5;

/** Fills in `exchange.answer` (conversation.js) until it is no longer `held` or `open`. */
export class Asking {
  #gateway;
  #health;
  #conversation;
  #exchange;
  #changed;
  #needKey;
  #going = new AbortController();
  #id = null;
  #firstToken = 0;

  /**
   * @param changed called after each change of the answer.
   * @param needKey asks the user for an API key; resolves to whether there is a new one.
   */
  constructor({ gateway, health, conversation, exchange, changed, needKey }) {
    this.#gateway = gateway;
    this.#health = health;
    this.#conversation = conversation;
    this.#exchange = exchange;
    this.#changed = changed;
    this.#needKey = needKey;
  }

  get #answer() {
    return this.#exchange.answer;
  }

  /** Ask until there is an answer, or a reason why there is none. */
  async run() {
    while (!this.#going.signal.aborted) {
      try {
        await this.#ask();
        return;
      } catch (error) {
        if (this.#going.signal.aborted) return;
        if (!(await this.#overcomes(error))) {
          this.#fail(error);
          return;
        }
      }
    }
  }

  /** Go, and leave the answer as it is; the gateway cancels what nobody listens to. */
  leave() {
    this.#going.abort();
  }

  /** Stop: the model is freed, or the place in the queue. */
  stop() {
    const id = this.#id;
    this.#end("stopped");
    this.leave();
    // Closing the stream has cancelled it too, unless a proxy in between keeps it open.
    if (id) this.#gateway.cancel(id).catch(() => {});
  }

  async #ask() {
    const { messages, owners } = historyBefore(this.#conversation, this.#exchange);
    const prompt = this.#exchange.question;
    this.#id = null;
    for await (const { name, said } of this.#gateway.ask({ prompt, messages, signal: this.#going.signal })) {
      if (this.#going.signal.aborted) return;
      this.#id = said.id ?? this.#id;
      this.#hear(name, said, owners);
    }
  }

  #hear(name, said, owners) {
    const answer = this.#answer;
    if (name === "queued") {
      answer.state = "open";
      answer.held = undefined;
      answer.place = { position: said.position, estimate: said.estimate_seconds };
    } else if (name === "started") {
      // Another `started` is another attempt: what came before it is void.
      Object.assign(answer, { state: "open", held: undefined, place: undefined, text: "", thoughts: "", started: true });
      answer.model = said.model;
    } else if (name === "token") {
      this.#firstToken ||= performance.now();
      answer.text += said.text;
      if (said.reasoning_content) answer.thoughts = (answer.thoughts ?? "") + said.reasoning_content;
    } else if (name === "done") {
      this.#finish(said, owners);
      return;
    }
    this.#changed();
  }

  #finish(said, owners) {
    const { response, model, usage, refusal, finish_reason: finish, timings } = said;
    Object.assign(this.#answer, { text: response, model: model ?? this.#answer.model, usage, refusal, finish });
    this.#answer.thoughts = said.reasoning_content;
    this.#answer.speed = timings?.predicted_per_second ?? this.#measured(usage);
    const offending = refusal ? exchangeAt(refusal.place, owners) : null;
    if (offending) offending.leftOut = true;
    this.#end(said.refused ? "refused" : "done");
  }

  /** Tokens a second, as they came here; llama.cpp's own measure is better, and not always there. */
  #measured(usage) {
    const seconds = (performance.now() - this.#firstToken) / 1000;
    return this.#firstToken && usage?.completion_tokens > 1 ? (usage.completion_tokens - 1) / seconds : undefined;
  }

  /** Wait for what is in the way of asking (again); tell whether it is worth asking again. */
  async #overcomes(error) {
    if (error.code === "invalid_api_key") return this.#needKey();
    if (this.#id !== null) return false; // it was taken: asking again is for the user to say
    if (AWAY.has(error.code)) {
      this.#hold({ reason: error.message });
      await this.#unlessStopped(Promise.all([this.#health.ready(), pause(error.retryAfter ?? 1)]));
      return true;
    }
    if (FULL.has(error.code)) {
      const seconds = error.retryAfter ?? FULL_SECONDS;
      this.#hold({ reason: error.message, seconds });
      await this.#unlessStopped(pause(seconds));
      return true;
    }
    return false;
  }

  #hold(held) {
    Object.assign(this.#answer, { state: "held", held });
    this.#changed();
  }

  #unlessStopped(wait) {
    const stopped = new Promise((goOn) => this.#going.signal.addEventListener("abort", goOn, { once: true }));
    return Promise.race([wait, stopped]);
  }

  #fail(error) {
    if (!(error instanceof Failure)) console.error(error);
    const code = error.code ?? "page";
    this.#answer.error = { code, message: error.message, final: error.final ?? false };
    this.#health.check();
    this.#end("failed");
  }

  #end(state) {
    Object.assign(this.#answer, { state, held: undefined, place: undefined, started: undefined });
    this.#changed();
  }
}

function pause(seconds) {
  return new Promise((goOn) => setTimeout(goOn, Math.max(1, seconds) * 1000));
}
