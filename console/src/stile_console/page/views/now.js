// Who is being answered, who waits, and how fast the models are.
import { confirm } from "../dialog.js";
import { button, element, replace, table } from "../element.js";
import { clientName, count, seconds } from "../words.js";

export class Now {
  #api;
  #announce;
  #hold = element("p", { class: "row" });
  #running = element("div", { class: "view" });
  #waiting = element("div", { class: "view" });
  #models = element("div", { class: "view" });

  constructor(api, announce) {
    this.#api = api;
    this.#announce = announce;
    this.element = element("div", { class: "view" }, this.#hold, this.#running, this.#waiting, this.#models);
  }

  async refresh() {
    const { queue, models } = await this.#api.get("queue");
    this.#showHold(queue.held);
    replace(this.#running, element("h2", {}, "Being answered"), this.#list("Being answered", queue.running, ["For"], (one) => [seconds(one.seconds)]));
    const more = queue.waiting_count - queue.waiting.length;
    replace(
      this.#waiting,
      element("h2", {}, `Waiting: ${queue.waiting_count}`),
      this.#list("Waiting", queue.waiting, ["Before it", "Starts in", "Has waited"], (one) => [
        one.position === undefined ? "" : String(one.position),
        seconds(one.estimate_seconds),
        seconds(one.seconds),
      ]),
      more > 0 ? element("p", { class: "small" }, `And ${count(more, "more request")}.`) : null,
    );
    const perSecond = (value) => (value === undefined ? "" : value.toFixed(1));
    replace(
      this.#models,
      element("h2", {}, "Models"),
      models.length
        ? table("Models", ["Model", "Workers", "Writes, tokens/s", "Reads, tokens/s", "A request takes"], models.map((model) => [
            model.model,
            String(model.workers),
            perSecond(model.answer_tokens_per_second),
            perSecond(model.prompt_tokens_per_second),
            seconds(model.seconds_per_request),
          ]))
        : element("p", {}, "No worker was heard: see Health."),
    );
  }

  #showHold(held) {
    const words = held
      ? element("strong", { class: "warn" }, "The queue is on hold: nothing more is started. Requests are accepted, and wait.")
      : element("span", {}, "Requests are started in their order.");
    replace(
      this.#hold,
      words,
      button(held ? "Resume" : "Hold the queue", () => this.#setHold(!held), { "data-key": "hold", "data-held": String(held) }),
    );
  }

  async #setHold(held) {
    await this.#act(async () => {
      await this.#api.put("queue/hold", { held });
      this.#announce(held ? "The queue is on hold." : "The queue goes on.");
    });
  }

  #list(caption, requests, heads, cells) {
    if (!requests.length) return element("p", { class: "small" }, "Nobody.");
    const rows = requests.map((one) => [
      clientName(one.client),
      one.lane,
      one.model ?? "any",
      ...cells(one),
      button("Cancel", () => this.#cancel(one), { "data-key": one.id, "aria-label": `Cancel the request of ${clientName(one.client)}` }),
    ]);
    return table(caption, ["Client", "Lane", "Model", ...heads, "Cancel"], rows);
  }

  async #cancel(one) {
    const name = clientName(one.client);
    if (!(await confirm({ title: "Cancel this request?", text: `${name} gets the message that it was cancelled.`, action: "Cancel the request" }))) return;
    await this.#act(async () => {
      const { hit } = await this.#api.delete(`queue/${encodeURIComponent(one.client)}/${one.id}`);
      this.#announce(hit === "unknown" || hit === "finished" ? "It had ended already." : `The request of ${name} is cancelled.`);
    });
  }

  async #act(action) {
    try {
      await action();
      await this.refresh();
    } catch (error) {
      this.#announce(error.message, true);
    }
  }
}
