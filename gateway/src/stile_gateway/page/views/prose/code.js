// Colours in the model's code, by highlight.js: for the languages that it knows; code without a language is plain.
import "../../vendor/purify.min.js";
import { Library, Rendered } from "./library.js";

const { DOMPurify } = globalThis;
/** Longer code stays plain: it is coloured again with each word that comes. */
const MOST_CHARS = 30_000;
const ALLOWED = {
  ALLOWED_TAGS: ["span"],
  ALLOWED_ATTR: ["class"],
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

const highlighter = new Library(async () => (await import("../../vendor/highlight.min.js")).default);
const rendered = new Rendered(60);

/** Colour the text of an element, if its language is known. */
export function colour(code, language) {
  const text = code.textContent;
  if (!language || text.length > MOST_CHARS) return;
  const library = highlighter.get();
  if (!library?.getLanguage(language)) return;
  const make = () => DOMPurify.sanitize(library.highlight(text, { language, ignoreIllegals: true }).value, ALLOWED);
  code.replaceChildren(rendered.of(`${language}\n${text}`, make));
}
