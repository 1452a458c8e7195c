// The dialog of settings.
import { DEFAULTS, LENGTHS } from "../store/settings.js";
import { element } from "../element.js";
import { LANGUAGES, nameOf, say } from "../language.js";
import { answerOf } from "./dialogs.js";

/**
 * Show the settings; resolves to the new ones, or to null if nothing is to change.
 * @param {import("../store/settings.js").Settings} settings
 * @param {string[]} models that can be chosen.
 */
export async function changeSettings(settings, models) {
  const dialog = document.getElementById("settings");
  const { language, model, answerLength, temperature, instruction, textSize, entersSend, notifies } =
    dialog.querySelector("form").elements;
  language.replaceChildren(
    language.options[0],
    ...LANGUAGES.map((code) => element("option", { value: code, lang: code }, nameOf(code))),
  );
  language.value = settings.language;
  const names = [...new Set([...models, settings.model])].filter(Boolean);
  model.replaceChildren(
    element("option", { value: "" }, say("settings.model.any")),
    ...names.map((name) => element("option", { value: name }, name)),
  );
  model.value = settings.model;
  for (const [length, count] of Object.entries(LENGTHS)) {
    answerLength.querySelector(`[value=${length}]`).textContent = say(`settings.length.${length}`, { count });
  }
  answerLength.value = settings.length;
  temperature.value = settings.temperature ?? "";
  instruction.value = settings.instruction;
  textSize.value = settings.textSize;
  entersSend.checked = settings.entersSend;
  notifies.checked = settings.notifies;
  if ((await answerOf(dialog)) !== "yes") return null;
  return {
    ...DEFAULTS,
    language: language.value,
    model: model.value,
    length: answerLength.value,
    temperature: temperature.value === "" ? null : Number(temperature.value),
    instruction: instruction.value,
    textSize: textSize.value,
    entersSend: entersSend.checked,
    notifies: notifies.checked,
  };
}
