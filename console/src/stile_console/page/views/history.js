// What happened: one line for each request that has ended. Facts, never a text.
import { element, replace, table } from "../element.js";
import { clientName, moment, seconds } from "../words.js";

const HEADS = ["Time", "Client", "Outcome", "Why", "Lane", "Model", "Waited", "Took", "Tokens"];
const ALL = "";

export class History {
  #api;
  #filters = new Map();
  #shown = element("div");
  #more = element("p", { class: "small" });

  constructor(api) {
    this.#api = api;
    const bar = element(
      "div",
      { class: "row", role: "group", "aria-label": "Show only" },
      this.#filter("day", "Day"),
      this.#filter("client", "Client"),
      this.#filter("rule", "Rule"),
      this.#filter("outcome", "Outcome", ["answered", "refused", "cancelled"]),
    );
    this.element = element("div", { class: "view" }, bar, this.#shown, this.#more);
  }

  async refresh() {
    const asked = new URLSearchParams();
    for (const [name, select] of this.#filters) if (select.value !== ALL) asked.set(name, select.value);
    const { records, has_more: hasMore, clients, rules, days } = await this.#api.get(`history?${asked}`);
    this.#offer("client", clients, clientName);
    this.#offer("rule", rules);
    this.#offer("day", days);
    replace(
      this.#shown,
      records.length ? table("What happened", HEADS, records.map(row)) : element("p", {}, "Nothing in the last seven days."),
    );
    this.#more.textContent = hasMore ? "These are the newest; `stile refusals` and `stile usage` read all." : "";
  }

  #filter(name, label, values = []) {
    const select = element("select", { change: () => this.refresh().catch(() => {}) }, element("option", { value: ALL }, "all"));
    this.#filters.set(name, select);
    if (values.length) this.#offer(name, values);
    return element("label", {}, `${label} `, select);
  }

  #offer(name, values, words = (value) => value) {
    const select = this.#filters.get(name);
    const chosen = select.value;
    const offered = chosen !== ALL && !values.includes(chosen) ? [...values, chosen] : values;
    replace(
      select,
      element("option", { value: ALL }, "all"),
      ...offered.map((value) => element("option", { value }, words(value))),
    );
    select.value = chosen;
  }
}

function row(record) {
  const when = element("time", { datetime: new Date(record.at_ms).toISOString() }, moment(record.at_ms));
  const tokens = [record.prompt_tokens, record.answer_tokens].filter((number) => number !== undefined);
  return [
    when,
    clientName(record.client),
    element("strong", { class: record.outcome === "answered" ? "good" : "bad" }, record.outcome.replaceAll("_", " ")),
    [record.rule, record.place && `in ${record.place}`, record.view && `read as ${record.view}`].filter(Boolean).join(", "),
    record.lane,
    record.model ?? "",
    seconds(record.wait_seconds),
    seconds(record.answer_seconds),
    tokens.join(" + "),
  ];
}
