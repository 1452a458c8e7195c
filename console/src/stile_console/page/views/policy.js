// The policy: its file with its faults, a text tried, its own tests, a replay, and a change of it.
import { confirm } from "../dialog.js";
import { button, element, replace, table } from "../element.js";
import { Replay } from "./replay.js";

const FAR = 5; // lines that stay visible above a line that is jumped to
const VERDICTS = {
  allow: "lets it pass",
  refuse: "refuses it",
  error: "could not judge it",
  timeout: "did not judge it in time",
  too_slow: "took too long to judge it",
};

export class Policy {
  #api;
  #announce;
  #file = element("p", { class: "small" });
  #editor = element("textarea", {
    id: "policy-text",
    class: "code",
    rows: 24,
    spellcheck: "false",
    autocapitalize: "off",
    wrap: "off",
    "aria-describedby": "policy-faults",
    input: () => this.#edited(),
  });
  #lines = element("pre", { class: "lines", "aria-hidden": "true" });
  #faults = element("ul", { class: "faults" });
  #apply = button("Apply", () => this.#run(() => this.#applyIt()), { class: "main", disabled: true });
  #check = button("Check, and run its tests", () => this.#run(() => this.#checkIt()));
  #load = button("Load again", () => this.#run(() => this.#loadIt()));
  #text = element("textarea", { rows: 3, dir: "auto" });
  #verdict = element("div", { class: "view", role: "status" });
  #replay;
  #loaded = null;
  #faulty = new Set();

  constructor(api, announce) {
    this.#api = api;
    this.#announce = announce;
    this.#replay = new Replay(api, announce, () => this.#editor.value);
    this.#editor.addEventListener("scroll", () => (this.#lines.scrollTop = this.#editor.scrollTop));
    const trial = element(
      "form",
      {
        class: "card",
        "aria-labelledby": "try-title",
        submit: (event) => {
          event.preventDefault();
          this.#run(() => this.#tryIt());
        },
      },
      element("h2", { id: "try-title" }, "Try a text"),
      element("label", { class: "block" }, "What somebody might ask", this.#text),
      element("div", { class: "buttons" }, element("button", { type: "submit", class: "main" }, "Try it with this policy")),
      this.#verdict,
    );
    this.element = element(
      "div",
      { class: "view" },
      this.#file,
      element("label", { for: "policy-text" }, "The policy (YAML)"),
      element("div", { class: "editor" }, this.#lines, this.#editor),
      element("div", { id: "policy-faults", role: "status" }, this.#faults),
      element("div", { class: "buttons" }, this.#apply, this.#check, this.#load),
      trial,
      this.#replay.element,
    );
  }

  async refresh() {
    if (this.#loaded === null) await this.#loadIt();
  }

  async #loadIt() {
    if (this.#isEdited && !(await confirm({ title: "Load it again?", text: "Your changes here are lost.", action: "Load it" }))) return;
    this.#loaded = await this.#api.get("policy");
    this.#editor.value = this.#loaded.text;
    const { file, is_shipped: isShipped, may_change: mayChange, has_archive: hasArchive } = this.#loaded;
    this.#file.textContent = !mayChange
      ? `${file}: STILE_POLICY names this policy, which comes with Stile. It can be tried here, but not changed.`
      : isShipped
        ? `${file} comes with Stile. What you apply becomes a policy of your own.`
        : file;
    this.#replay.element.hidden = !hasArchive;
    this.#showFaults([]);
    this.#edited();
  }

  get #isEdited() {
    return this.#loaded !== null && this.#editor.value !== this.#loaded.text;
  }

  #edited() {
    this.#apply.disabled = !this.#isEdited || !this.#loaded.may_change;
    this.#showLines();
  }

  #showLines() {
    const count = this.#editor.value.split("\n").length;
    this.#lines.replaceChildren(
      ...Array.from({ length: count }, (_, index) =>
        element("span", { class: this.#faulty.has(index + 1) ? "faulty" : null }, `${index + 1}\n`),
      ),
    );
    this.#lines.scrollTop = this.#editor.scrollTop;
  }

  #showFaults(faults, good = "") {
    this.#faulty = new Set(faults.map(({ line }) => line));
    replace(
      this.#faults,
      good ? element("li", { class: "good" }, good) : null,
      ...faults.map(({ line, reason }) =>
        element("li", { class: "bad" }, button(`Line ${line}`, () => this.#goTo(line)), ` ${reason}`),
      ),
    );
    if (faults.length) this.#editor.setAttribute("aria-invalid", "true");
    else this.#editor.removeAttribute("aria-invalid");
    this.#showLines();
  }

  #goTo(line) {
    const lines = this.#editor.value.split("\n");
    const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    this.#editor.focus();
    this.#editor.setSelectionRange(start, start + (lines[line - 1] ?? "").length);
    const height = parseFloat(getComputedStyle(this.#editor).lineHeight);
    this.#editor.scrollTop = Math.max(0, (line - FAR) * height);
  }

  async #checkIt() {
    const { version, faults } = await this.#api.post("policy/check", { policy: this.#editor.value });
    this.#showFaults(faults, faults.length ? "" : `Good: version ${version}. Its own tests pass.`);
  }

  async #applyIt() {
    this.#announce("The filter reads the policy …");
    const { is_applied: isApplied, faults } = await this.#api.put("policy", {
      policy: this.#editor.value,
      base: this.#loaded.digest,
    });
    if (!isApplied) {
      this.#showFaults(faults);
      this.#announce("Nothing is changed: the policy has faults.", true);
      return;
    }
    this.#loaded = await this.#api.get("policy");
    this.#file.textContent = this.#loaded.file;
    this.#edited();
    this.#showFaults([], "Applied: the filter judges by this policy now.");
    this.#announce("The policy is applied.");
  }

  async #tryIt() {
    const policy = this.#isEdited ? this.#editor.value : null;
    const found = await this.#api.post("policy/try", { text: this.#text.value, policy });
    this.#showFaults(found.faults ?? []);
    if (!found.state) {
      replace(this.#verdict, element("p", { class: "bad" }, "Nothing was judged: the policy has faults, see above."));
      return;
    }
    const passes = found.state === "allow";
    const words = passes ? "It passes." : found.state === "refuse" ? "It is refused." : "It could not be judged.";
    const rules = [...(found.rules ?? [])].sort((one, other) => (one.state === "allow") - (other.state === "allow"));
    replace(
      this.#verdict,
      element("p", {}, element("strong", { class: passes ? "good" : "bad" }, words)),
      table("Each rule", ["Rule", "Says", "Why"], rules.map((rule) => this.#rule(rule))),
    );
  }

  #rule(rule) {
    const finds = rule.state === "refuse" && rule.action === "monitor" ? "finds something, but only monitors" : VERDICTS[rule.state];
    const why = [];
    if (rule.span) why.push(`“${[...this.#text.value].slice(...rule.span).join("")}”`, `characters ${rule.span[0]} to ${rule.span[1]}`);
    if (rule.view) why.push(`read as ${rule.view}`);
    if (rule.score !== undefined) why.push(`score ${rule.score.toFixed(2)}`);
    return [rule.rule, element("span", { class: rule.state === "allow" ? "good" : "bad" }, finds), why.join(", ")];
  }

  async #run(action) {
    const controls = [this.#apply, this.#check, this.#load];
    for (const control of controls) control.disabled = true;
    try {
      await action();
    } catch (error) {
      if (error.status === undefined) throw error;
      this.#announce(error.message, true);
    } finally {
      for (const control of controls) control.disabled = false;
      this.#edited();
    }
  }
}
