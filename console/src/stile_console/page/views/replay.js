// What the policy would have done with the requests of the sealed archive: counts, never a text.
import { element, replace, table } from "../element.js";

export class Replay {
  constructor(api, announce, policy) {
    const key = element("textarea", { rows: 2, spellcheck: "false", autocomplete: "off", required: true });
    const days = element("input", { type: "number", min: 1, max: 365, value: 7 });
    const result = element("div", { class: "view", role: "status" });
    const submit = async (event) => {
      event.preventDefault();
      replace(result, element("p", {}, "The archive's requests are judged again …"));
      try {
        const counts = await api.post("policy/replay", { policy: policy(), key: key.value, days: Number(days.value) });
        replace(result, ...describe(counts));
      } catch (error) {
        replace(result);
        announce(error.message, true);
      } finally {
        key.value = "";
      }
    };
    this.element = element(
      "form",
      { class: "card", hidden: true, submit, "aria-labelledby": "replay-title" },
      element("h2", { id: "replay-title" }, "Replay"),
      element("p", { class: "small" }, "What this policy would have done with the requests of the archive. No text is shown, and the key is not kept."),
      element("label", { class: "block" }, "The archive's private key", key),
      element("label", {}, "Days back ", days),
      element("div", { class: "buttons" }, element("button", { type: "submit", class: "main" }, "Replay")),
      result,
    );
  }
}

function describe(counts) {
  const rules = new Set([...Object.keys(counts.refused_before), ...Object.keys(counts.refused_now)]);
  const more = [counts.unreadable && `${counts.unreadable} could not be read.`, counts.failed && `${counts.failed} could not be judged.`];
  return [
    element("p", {}, [`${counts.requests} requests judged again.`, ...more.filter(Boolean)].join(" ")),
    rules.size
      ? table("Each rule", ["Rule", "Refused then", "Would pass now", "Would be refused now", "Of them passed then"], [...rules].sort().map((rule) => [
          rule,
          ...["refused_before", "let_through_now", "refused_now", "newly_refused"].map((name) => String(counts[name][rule] ?? 0)),
        ]))
      : null,
  ];
}
