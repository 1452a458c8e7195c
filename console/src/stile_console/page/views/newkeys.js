// The form for new keys: a name on each line.
import { button, element } from "../element.js";
import { count } from "../words.js";

const LOCAL = /^https?:\/\/(localhost|127\.|\[::1\])/;

export class NewKeys {
  #names = element("textarea", { rows: 6, spellcheck: "false", placeholder: "ada\nben\ncleo" });
  #prefix = element("input", { value: "pupil", size: 10, "aria-label": "Begins with" });
  #number = element("input", { type: "number", min: 1, max: 200, value: 30, "aria-label": "How many" });
  #atOnce = element("input", { type: "number", min: 1, placeholder: "none" });
  #perMinute = element("input", { type: "number", min: 1, placeholder: "none" });
  #lane = element("select", {}, element("option", {}, "interactive"), element("option", {}, "batch"));
  #owner = element("input", { type: "checkbox" });
  #address = element("input", { type: "url", size: 32, required: true, input: () => this.#showHint() });
  #hint = element("p", { class: "small" });
  #isSet = false;

  constructor(api, announce, made) {
    const submit = async (event) => {
      event.preventDefault();
      const names = this.#names.value.split("\n").map(asName).filter(Boolean);
      try {
        const tickets = await api.post("keys", {
          names,
          address: this.#address.value,
          owner: this.#owner.checked,
          limits: {
            lane: this.#lane.value,
            max_in_flight: this.#atOnce.value ? Number(this.#atOnce.value) : null,
            requests_per_minute: this.#perMinute.value ? Number(this.#perMinute.value) : null,
          },
        });
        this.#names.value = "";
        this.#owner.checked = false;
        announce(`${count(tickets.length, "key")} made.`);
        made(tickets);
      } catch (error) {
        announce(error.message, true);
      }
    };
    this.element = element(
      "form",
      { class: "card", submit, "aria-labelledby": "new-keys" },
      element("h2", { id: "new-keys" }, "New keys"),
      element("label", { class: "block" }, "Names, one on each line", this.#names),
      element("div", { class: "row" }, "or", this.#prefix, "1 to", this.#number, button("Fill in", () => this.#fill())),
      element(
        "div",
        { class: "row" },
        element("label", {}, "Requests at once ", this.#atOnce),
        element("label", {}, "Requests a minute ", this.#perMinute),
        element("label", {}, "Lane ", this.#lane),
        element("label", {}, this.#owner, " opens the console, too"),
      ),
      element("label", { class: "block" }, "Address of the chat page, for the links and QR codes", this.#address),
      this.#hint,
      element("div", { class: "buttons" }, element("button", { type: "submit", class: "main" }, "Make the keys")),
    );
  }

  /** The address as the console knows it; one that was typed stays. */
  set address(address) {
    if (this.#isSet) return;
    this.#isSet = true;
    const here = `http://${location.hostname}:8000`;
    this.#address.value = !address || (LOCAL.test(address) && !LOCAL.test(location.href)) ? here : address;
    this.#showHint();
  }

  #showHint() {
    this.#hint.textContent = LOCAL.test(this.#address.value)
      ? "This address works on this machine only. For others: the machine's name or address in the network, and STILE_HOST=0.0.0.0."
      : "";
  }

  #fill() {
    const number = Math.min(Number(this.#number.value) || 1, 200);
    const width = String(number).length;
    const names = Array.from({ length: number }, (_, index) => `${this.#prefix.value}-${String(index + 1).padStart(width, "0")}`);
    this.#names.value = names.join("\n");
  }
}

/** Make a name for a key of what a person wrote: `Zoë Müller` becomes `Zoe-Muller`. */
function asName(line) {
  return line.trim().normalize("NFKD").replace(/\p{M}/gu, "").replace(/\s+/g, "-");
}
