// How a question is asked: plain data, kept in the browser. Everything unset is left to Stile.

/** Lengths of an answer, in tokens: what the dialog offers. */
export const LENGTHS = { short: 150, medium: 500 };
export const TEXT_SIZES = ["small", "normal", "large"];

/**
 * @typedef {{language: string, model: string, length: string, temperature: number|null, instruction: string,
 *   textSize: string, entersSend: boolean, notifies: boolean}} Settings
 */
export const DEFAULTS = {
  language: "", // as the browser has it
  model: "",
  length: "",
  temperature: null,
  instruction: "",
  textSize: "normal",
  entersSend: true,
  notifies: false,
};

/** Read settings as they were kept; what is not understood has its default. */
export function readSettings(kept) {
  const settings = { ...DEFAULTS };
  for (const [name, value] of Object.entries(kept ?? {})) {
    const isKnown = name in DEFAULTS && (typeof value === typeof DEFAULTS[name] || name === "temperature");
    if (isKnown) settings[name] = value;
  }
  if (typeof settings.temperature !== "number") settings.temperature = null;
  if (!(settings.length in LENGTHS)) settings.length = "";
  if (!TEXT_SIZES.includes(settings.textSize)) settings.textSize = DEFAULTS.textSize;
  return settings;
}

/** Return the fields of a request that settings ask for. */
export function requestFields({ model, length, temperature }) {
  return {
    ...(model ? { model } : {}),
    ...(length ? { max_tokens: LENGTHS[length] } : {}),
    ...(temperature === null ? {} : { temperature }),
  };
}

/** Return the messages that come before a conversation: the user's own instruction, if there is one. */
export function opening({ instruction }) {
  return instruction.trim() ? [{ role: "system", content: instruction.trim() }] : [];
}
