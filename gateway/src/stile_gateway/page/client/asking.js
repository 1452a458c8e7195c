// One question on its way: sent, waiting, answered, stopped; and continued after an interruption.
import { questionText } from "../store/attachment.js";
import { exchangeAt, historyBefore, isUnderWay, leaveOut, leaveOutOldest, newId } from "../store/conversation.js";
import { opening, requestFields } from "../store/settings.js";
import { CONNECTION_LOST, FORGOTTEN, Failure, UNREACHABLE } from "./failure.js";

/** No part has taken the question: the page keeps it until every part is there again. */
const AWAY = new Set([UNREACHABLE, CONNECTION_LOST, "bus_unavailable", "no_filter", "accept_timeout", "shutting_down"]);
/** Without the oldest exchanges it may fit. The second one is about bytes: files make a conversation large. */
const TOO_MUCH = ["context_length_exceeded", "too_large"];
/** The gateway has stopped waiting; the answer may come all the same. */
const GATEWAY_LEFT = "answer_timeout";
/** There was no room for it, so it is sent again a little later. */
const FULL = new Set(["queue_full", "client_queue_full"]);
const FULL_SECONDS = 5;
/** After this time without an event, and then each time it has passed, the page looks whether a part is missing. */
const SILENT_MS = 1_500;
/** The fields that only an answer under way has. */
const NOT_UNDER_WAY = {
  held: undefined,
  place: undefined,
  started: undefined,
  lost: undefined,
  settings: undefined,
  key: undefined,
  id: undefined,
  last: undefined,
};

/**
 * Fills in `exchange.answer` (conversation.js) until it is no longer `held` or `open`.
 *
 * A question is sent under a key of its own, and Stile answers it even if nobody listens. So a page that was
 * reloaded, or that has lost its connection, asks for the rest; only `stop` cancels.
 */
export class Asking {
  #gateway;
  #health;
  #conversation;
  #exchange;
  #changed;
  #needKey;
  #going = new AbortController();
  #sentFrom;
  #isStopping = false;
  #firstToken = 0;
  #heard = 0;

  /**
   * @param settings how a new question is asked (settings.js).
   * @param changed called after each change of the answer.
   * @param needKey asks the user for an API key, and shows the error; resolves to whether there is a new one.
   */
  constructor({ gateway, health, conversation, exchange, settings, changed, needKey }) {
    this.#gateway = gateway;
    this.#health = health;
    this.#conversation = conversation;
    this.#exchange = exchange;
    this.#sentFrom = conversation.sentFrom;
    this.#changed = changed;
    this.#needKey = needKey;
    // If it is sent again, it must be the same request, even if the settings were changed meanwhile.
    exchange.answer.settings ??= settings;
    exchange.answer.key ??= newId();
  }

  get #answer() {
    return this.#exchange.answer;
  }

  /** Ask, or ask for the rest, until there is an answer, or a reason why there is none. */
  async run() {
    while (!this.#going.signal.aborted) {
      try {
        await this.#listen();
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

  /** Stop listening, and leave the answer as it is: this page or another one asks for the rest. */
  leave() {
    this.#going.abort();
  }

  /** Cancel the request: the model, or its place in the queue, is free. */
  stop() {
    if (!isUnderWay(this.#answer)) return;
    const { id } = this.#answer;
    this.#isStopping = this.#answer.state === "open" && !id; // it is on its way, and its id is not known yet
    this.#end("stopped");
    if (this.#isStopping) return;
    this.leave();
    if (id) this.#cancel(id);
  }

  #cancel(id) {
    this.#gateway.cancel(id).catch(() => {}); // without a connection it goes on to its end, unseen
  }

  async #listen() {
    const { id, last, key } = this.#answer;
    const { signal } = this.#going;
    const settings = this.#answer.settings ?? {};
    const { messages, owners } = historyBefore(this.#conversation, this.#exchange, opening(settings));
    const question = { prompt: questionText(this.#exchange), messages, fields: requestFields(settings) };
    const events = id
      ? this.#gateway.follow({ id, last, signal })
      : this.#gateway.ask({ ...question, key, signal });
    this.#heard = performance.now();
    const watch = setInterval(() => {
      if (performance.now() - this.#heard >= SILENT_MS) this.#health.check(); // a part may be away
    }, SILENT_MS);
    signal.addEventListener("abort", () => clearInterval(watch), { once: true });
    try {
      await this.#read(events, owners);
    } finally {
      clearInterval(watch);
    }
  }

  async #read(events, owners) {
    const { signal } = this.#going;
    for await (const event of events) {
      if (signal.aborted) return;
      this.#heard = performance.now();
      if (this.#isStopping) {
        if (event.said.id) this.#cancel(event.said.id);
        this.leave();
        return;
      }
      this.#receive(event, owners);
    }
  }

  #receive({ name, said, last }, owners) {
    const answer = this.#answer;
    answer.id = said.id ?? answer.id;
    answer.lost = undefined;
    if (name === "queued") {
      answer.state = "open";
      answer.held = undefined;
      answer.place = { position: said.position, estimate: said.estimate_seconds, held: said.held };
    } else if (name === "started") {
      // Another `started` is another attempt: what came before it is void.
      Object.assign(answer, { state: "open", held: undefined, place: undefined, text: "", thoughts: "", started: true });
      answer.model = said.model;
      answer.last = last;
    } else if (name === "token") {
      this.#firstToken ||= performance.now();
      answer.text += said.text;
      answer.last = last;
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
    if (said.trimmed) leaveOut(this.#conversation, this.#exchange, said.trimmed);
    this.#end(said.refused ? "refused" : "done");
  }

  /** Tokens a second, measured here. llama.cpp's own number is better, but not every answer has it. */
  #measured(usage) {
    const seconds = (performance.now() - this.#firstToken) / 1000;
    return this.#firstToken && usage?.completion_tokens > 1 ? (usage.completion_tokens - 1) / seconds : undefined;
  }

  /** Wait until the cause of an error is gone; return whether to ask again. */
  async #overcomes(error) {
    if (this.#isStopping) return false;
    if (error.needsKey) return this.#needKey(error);
    if (TOO_MUCH.includes(error.code)) return this.#shorten(error.details);
    if (AWAY.has(error.code) || (this.#answer.id && error.code === GATEWAY_LEFT)) {
      // A question that was taken is not sent again: the page asks for the rest of its answer.
      if (this.#answer.id) this.#lose();
      else this.#hold(error);
      await this.#unlessStopped(Promise.all([this.#health.ready(), pause(error.retryAfter ?? 1)]));
      return true;
    }
    if (FULL.has(error.code) && !this.#answer.id) {
      const seconds = error.retryAfter ?? FULL_SECONDS;
      this.#hold(error, seconds);
      await this.#unlessStopped(pause(seconds));
      return true;
    }
    return false;
  }

  /** Ask again without the oldest exchanges. That is another request, so it has another key. */
  #shorten(size) {
    if (!leaveOutOldest(this.#conversation, this.#exchange, size)) return false;
    Object.assign(this.#answer, { state: "open", text: "", key: newId(), id: undefined, last: undefined });
    this.#changed();
    return true;
  }

  #hold({ code, message }, seconds) {
    Object.assign(this.#answer, { state: "held", held: { code, message, seconds } });
    this.#changed();
  }

  #lose() {
    this.#answer.lost = true;
    this.#changed();
  }

  #unlessStopped(wait) {
    const stopped = new Promise((goOn) => this.#going.signal.addEventListener("abort", goOn, { once: true }));
    return Promise.race([wait, stopped]);
  }

  #fail(error) {
    if (this.#isStopping) return; // nothing was taken, so there is nothing to cancel
    if (error.code === "cancelled") {
      this.#end("stopped"); // in another tab
      return;
    }
    if (!(error instanceof Failure)) console.error(error);
    // It did not help to leave out the rest, so the rest is sent with the next question.
    if (TOO_MUCH.includes(error.code)) this.#conversation.sentFrom = this.#sentFrom;
    const isForgotten = error.code === "not_found" && this.#answer.id;
    const code = isForgotten ? FORGOTTEN : (error.code ?? "page");
    this.#answer.error = { code, message: error.message, final: error.final ?? false };
    this.#health.check();
    this.#end("failed");
  }

  #end(state) {
    Object.assign(this.#answer, { state, ...NOT_UNDER_WAY });
    this.#changed();
  }
}

function pause(seconds) {
  return new Promise((goOn) => setTimeout(goOn, Math.max(1, seconds) * 1000));
}
