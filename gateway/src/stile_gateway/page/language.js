// The words of the page, in the user's language. Only the file of that language is loaded.
import { Store } from "./store/store.js";

/** The languages that there are, each a file in languages/. The first one is for users who read none of them. */
export const LANGUAGES = ["en", "de"];

const code = choose(new Store().settings.language);
/** The user's own kind of the language, as en-GB: it decides how dates and numbers are written. */
export const locale = navigator.languages.find((tag) => baseOf(tag) === code) ?? code;
const { direction, words } = await import(`./languages/${code}.js`);
const plurals = new Intl.PluralRules(locale);
const numbers = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });

function choose(wanted) {
  const wishes = [wanted, ...navigator.languages.map(baseOf)];
  return wishes.find((tag) => LANGUAGES.includes(tag)) ?? LANGUAGES[0];
}

function baseOf(tag) {
  return tag.split("-")[0].toLowerCase();
}

/** Whether the languages have words for `key`. */
export function has(key) {
  return Object.hasOwn(words, key);
}

/**
 * Return the words of `key` in the user's language.
 * @param {string} key as in languages/.
 * @param {Object<string, string|number>} values for the {places} in the words. `count` chooses between the plural
 *   forms, if there are any.
 */
export function say(key, values = {}) {
  if (!has(key)) {
    console.error(`There are no words for ${key}`);
    return key;
  }
  const entry = words[key];
  const text = typeof entry === "string" ? entry : (entry[plurals.select(values.count)] ?? entry.other);
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? numbers.format(value) : value;
  });
}

/** The name of a language in this language itself. */
export function nameOf(language) {
  return new Intl.DisplayNames([language], { type: "language" }).of(language);
}

/** Where index.html names words: the attribute with the key, and what is done with the words. */
const PLACES = {
  say: (element, text) => (element.textContent = text),
  sayLabel: (element, text) => element.setAttribute("aria-label", text),
  sayTitle: (element, text) => (element.title = text),
  sayPlaceholder: (element, text) => (element.placeholder = text),
};

function fill() {
  document.documentElement.lang = code;
  document.documentElement.dir = direction;
  for (const [name, put] of Object.entries(PLACES)) {
    const attribute = `data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    for (const element of document.querySelectorAll(`[${attribute}]`)) put(element, say(element.dataset[name]));
  }
}

fill();
