// The dialog of settings.
import { DEFAULTS } from "../store/settings.js";
import { element } from "../element.js";
import { answerOf } from "./dialogs.js";

/**
 * Show the settings; resolves to the new ones, or to null if nothing is to change.
 * @param {import("../store/settings.js").Settings} settings
 * @param {string[]} models that can be chosen.
 */
export async function changeSettings(settings, models) {
  const dialog = document.getElementById("settings");
  const { model, answerLength, temperature, instruction, textSize, entersSend, notifies } = dialog.querySelector("form").elements;
  const names = [...new Set([...models, settings.model])].filter(Boolean);
  model.replaceChildren(
    element("option", { value: "" }, "Any that is free"),
    ...names.map((name) => element("option", { value: name }, name)),
  );
  model.value = settings.model;
  answerLength.value = settings.length;
  temperature.value = settings.temperature ?? "";
  instruction.value = settings.instruction;
  textSize.value = settings.textSize;
  entersSend.checked = settings.entersSend;
  notifies.checked = settings.notifies;
  if ((await answerOf(dialog)) !== "yes") return null;
  return {
    ...DEFAULTS,
    model: model.value,
    length: answerLength.value,
    temperature: temperature.value === "" ? null : Number(temperature.value),
    instruction: instruction.value,
    textSize: textSize.value,
    entersSend: entersSend.checked,
    notifies: notifies.checked,
  };
}
