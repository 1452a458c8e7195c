// Clients and keys: what they have used, their limits, new keys for a class, keys taken back.
import { confirm } from "../dialog.js";
import { button, element, qrCode, replace, table } from "../element.js";
import { clientName, count } from "../words.js";
import { NewKeys } from "./newkeys.js";

export class People {
  #api;
  #announce;
  #note = element("p", { class: "small" });
  #table = element("div");
  #sheet = element("div", { class: "sheet", hidden: true });
  #sheetTools = element("div", { class: "row", hidden: true });
  #chosen = new Set();
  #editing = null;
  #newKeys;

  constructor(api, announce) {
    this.#api = api;
    this.#announce = announce;
    this.#newKeys = new NewKeys(api, announce, (tickets) => this.#showSheet(tickets));
    const tools = element(
      "div",
      { class: "row" },
      button("Revoke the chosen keys …", () => this.#revoke(), { "data-key": "revoke" }),
    );
    this.element = element(
      "div",
      { class: "view" },
      this.#sheetTools,
      this.#sheet,
      this.#note,
      this.#table,
      tools,
      this.#newKeys.element,
    );
  }

  async refresh() {
    const { keys_are_needed: areNeeded, address, people } = await this.#api.get("people");
    this.#newKeys.address = address;
    this.#note.textContent = areNeeded
      ? "A key is needed to ask."
      : "No key is needed to ask: everybody who reaches the gateway is answered. The first key changes that.";
    if (this.#editing) return; // what is being typed stays
    const names = new Set(people.map((person) => person.name));
    for (const name of this.#chosen) if (!names.has(name)) this.#chosen.delete(name);
    replace(
      this.#table,
      people.length
        ? table("Clients", ["Client", "Today", "Seven days", "Limits", "Change", "Choose"], people.map((person) => this.#row(person)))
        : element("p", {}, "Nobody has asked in the last seven days, and there is no key."),
    );
  }

  #row(person) {
    const uses = ({ requests, refused, tokens }) =>
      requests ? `${count(requests, "request")}, ${refused} refused, ${tokens} tokens` : "nothing";
    if (person.name === undefined) {
      return [`${clientName(person.client)} (no key)`, uses(person.today), uses(person.week), "", "", ""];
    }
    const choose = element("input", {
      type: "checkbox",
      "aria-label": `Choose ${person.name}`,
      "data-key": `choose ${person.name}`,
      change: (event) => (event.target.checked ? this.#chosen.add(person.name) : this.#chosen.delete(person.name)),
    });
    choose.checked = this.#chosen.has(person.name);
    return [
      person.owner ? `${person.name} (owner)` : person.name,
      uses(person.today),
      uses(person.week),
      limits(person),
      button("Limits …", (event) => this.#edit(person, event.target), {
        "data-key": `limits ${person.name}`,
        "aria-label": `Change the limits of ${person.name}`,
      }),
      choose,
    ];
  }

  /** Put a form into the place of the limits of one key. */
  #edit(person, control) {
    const cell = control.closest("tr").children[3];
    const lane = element("select", {}, element("option", {}, "interactive"), element("option", {}, "batch"));
    lane.value = person.lane;
    const number = (value) => element("input", { type: "number", min: 1, value: value ?? "", placeholder: "none" });
    const atOnce = number(person.max_in_flight);
    const perMinute = number(person.requests_per_minute);
    const close = () => {
      this.#editing = null;
      cell.replaceChildren(limits(person));
      control.focus();
      this.refresh().catch(() => {});
    };
    const save = async (event) => {
      event.preventDefault();
      try {
        await this.#api.put(`keys/${encodeURIComponent(person.name)}`, {
          lane: lane.value,
          max_in_flight: atOnce.value ? Number(atOnce.value) : null,
          requests_per_minute: perMinute.value ? Number(perMinute.value) : null,
        });
        this.#announce(`The limits of ${person.name} are changed.`);
        close();
      } catch (error) {
        this.#announce(error.message, true);
      }
    };
    this.#editing = person.name;
    cell.replaceChildren(
      element(
        "form",
        { class: "row", submit: save, keydown: (event) => event.key === "Escape" && close() },
        element("label", {}, "Lane ", lane),
        element("label", {}, "At once ", atOnce),
        element("label", {}, "A minute ", perMinute),
        element("button", { type: "submit", class: "main" }, "Save"),
        button("Cancel", close),
      ),
    );
    lane.focus();
  }

  async #revoke() {
    const names = [...this.#chosen];
    if (!names.length) {
      this.#announce("Choose the keys first.", true);
      return;
    }
    const text = `${names.join(", ")}: from now on nobody is answered with ${names.length === 1 ? "this key" : "these keys"}.`;
    if (!(await confirm({ title: `Revoke ${count(names.length, "key")}?`, text, action: "Revoke" }))) return;
    try {
      await this.#api.post("keys/revoke", { names });
      this.#chosen.clear();
      this.#announce(`${count(names.length, "key")} revoked.`);
      await this.refresh();
    } catch (error) {
      this.#announce(error.message, true);
    }
  }

  #showSheet(tickets) {
    this.#sheet.replaceChildren(
      ...tickets.map(({ name, key, qr }) =>
        element("div", { class: "ticket" }, element("strong", {}, name), qrCode(qr, `QR code of the link for ${name}`), element("code", {}, key)),
      ),
    );
    this.#sheetTools.replaceChildren(
      element("strong", {}, "These keys are shown only now: print or copy them."),
      button("Print", () => print(), { class: "main" }),
      button("Copy the links", async () => {
        try {
          await navigator.clipboard.writeText(tickets.map(({ name, link }) => `${name}\t${link}`).join("\n"));
          this.#announce("The links are copied.");
        } catch {
          // On plain HTTP from another machine there is no clipboard.
          this.#announce("The browser does not let this page copy. Print the sheet, or select the keys.", true);
        }
      }),
      button("Close the sheet", () => {
        this.#sheet.hidden = this.#sheetTools.hidden = true;
        this.#sheet.replaceChildren();
      }),
    );
    this.#sheet.hidden = this.#sheetTools.hidden = false;
    this.#sheetTools.querySelector("button").focus();
    this.refresh().catch(() => {});
  }
}

function limits({ lane, max_in_flight: atOnce, requests_per_minute: perMinute }) {
  return [lane, atOnce && `${atOnce} at once`, perMinute && `${perMinute} a minute`].filter(Boolean).join(", ");
}
