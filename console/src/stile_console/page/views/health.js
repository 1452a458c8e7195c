// Each part: its state, version, memory, restarts, and its last error.
import { element, replace, table } from "../element.js";
import { bytes } from "../words.js";

const HEADS = ["Part", "State", "Version", "Memory", "Restarts", "Last error in its log"];

export class Health {
  #api;
  #parts = element("div");
  #disk = element("p");

  constructor(api) {
    this.#api = api;
    this.element = element("div", { class: "view" }, this.#disk, this.#parts);
  }

  async refresh() {
    const { ready, parts, disk } = await this.#api.get("health");
    const state = ready ? "A question would be answered now." : "A question would not be answered now.";
    const room = disk ? ` Disk: ${bytes(disk.free_bytes)} of ${bytes(disk.total_bytes)} free.` : "";
    replace(this.#disk, element("strong", { class: ready ? "good" : "bad" }, state), room);
    replace(this.#parts, table("The parts", HEADS, parts.map((part) => this.#row(part))));
  }

  #row(part) {
    const states = { true: "ready", false: "not ready" };
    const state = states[part.ready] ?? "unknown";
    const more = [part.reason, part.model, part.tokens_per_second && `${part.tokens_per_second.toFixed(1)} tokens/s`];
    return [
      part.name,
      element(
        "span",
        {},
        element("strong", { class: { true: "good", false: "bad" }[part.ready] ?? "" }, state),
        ...more.filter(Boolean).map((words) => element("span", { class: "line" }, words)),
      ),
      [part.version, part.policy && `policy ${part.policy}`].filter(Boolean).join(", "),
      part.memory_bytes === undefined ? "" : bytes(part.memory_bytes),
      part.restarts === undefined ? "" : String(part.restarts),
      part.last_error === "" ? "none" : (part.last_error ?? ""),
    ];
  }
}
