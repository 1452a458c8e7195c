// The model's words as elements. Two walls stand between them and the page, and a third around it: markdown-it
// takes HTML for text; DOMPurify lets through the few elements below; the page's policy runs no script but its own.
import MarkdownIt from "../../vendor/markdown-it.esm.min.mjs";
import "../../vendor/purify.min.js";
import { button, element } from "../../element.js";
import { say } from "../../language.js";
import { colour } from "./code.js";
import { formulas, typeset } from "./formula.js";

const { DOMPurify } = globalThis; // no module is published that is as small

const ALLOWED = {
  ALLOWED_TAGS:
    "a blockquote br code del em h3 h4 h5 h6 hr li ol p pre s strong table tbody td th thead tr ul".split(" "),
  ALLOWED_ATTR: ["align", "class", "href", "start", "title"],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:)/i,
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};
const BLOCKS = "blockquote, h3, h4, h5, h6, ol, p, td, th, ul";
/** Each of these has one direction, that of its first letter: its marks and its text stand on the same side. */
const CONTAINERS = "blockquote, ol, ul";

// `breaks`: a small model means its line ends. An image would be fetched from elsewhere: it stays text.
const markdown = new MarkdownIt({ html: false, linkify: false, breaks: true }).disable("image").use(formulas);

/** A name of Python or C with two underscores on each side: `__init__` is itself, and no strong "init". */
const DUNDER = /__(?:[a-z][a-z0-9]*(?:_[a-z0-9]+)*|[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)__(?!\w)/y;
markdown.inline.ruler.before("emphasis", "dunder", (state, silent) => {
  DUNDER.lastIndex = state.pos;
  const name = DUNDER.exec(state.src)?.[0];
  if (!name) return false;
  if (!silent) state.pending += name;
  state.pos += name.length;
  return true;
});

for (const rule of ["heading_open", "heading_close"]) {
  markdown.renderer.rules[rule] = (tokens, index, options, _, renderer) => {
    // h1 and h2 are the page's and the exchange's.
    tokens[index].tag = `h${Math.min(6, Number(tokens[index].tag[1]) + 2)}`;
    return renderer.renderToken(tokens, index, options);
  };
}
for (const rule of ["th_open", "td_open"]) {
  markdown.renderer.rules[rule] = (tokens, index, options, _, renderer) => {
    // The page's policy allows no style in an attribute.
    const side = /text-align:(\w+)/.exec(tokens[index].attrGet("style") ?? "")?.[1];
    tokens[index].attrs = side ? [["align", side]] : null;
    return renderer.renderToken(tokens, index, options);
  };
}

/**
 * Return `text` as a fragment that can do no harm.
 * @param isWriting whether more of it comes. Then the beginning of a formula is shown as it is written.
 */
export function render(text, isWriting = false) {
  const known = isWriting ? text.replace(/[\\$]$/, "") : text; // half of a formula's first or last sign
  const env = isWriting ? { writing: known.trimEnd() } : {};
  const fragment = DOMPurify.sanitize(markdown.render(known, env), ALLOWED);
  typeset(fragment);
  for (const link of fragment.querySelectorAll("a")) {
    link.target = "_blank";
    link.rel = "noopener noreferrer nofollow";
  }
  for (const block of fragment.querySelectorAll(BLOCKS)) {
    if (!block.parentElement?.closest(CONTAINERS)) block.dir = "auto";
  }
  for (const pre of fragment.querySelectorAll("pre")) frameCode(pre);
  for (const [index, table] of fragment.querySelectorAll("table").entries()) {
    const label = say("table", { number: index + 1 }); // a group and no region: each answer may have a table of this number
    const frame = element("div", { class: "table", tabindex: "0", role: "group", "aria-label": label });
    table.replaceWith(frame);
    frame.append(table);
  }
  return fragment;
}

function frameCode(pre) {
  const code = pre.querySelector("code");
  const language = /(?:^|\s)language-(\S+)/.exec(code?.className ?? "")?.[1] ?? "";
  if (code) colour(code, language);
  const caption = element(
    "figcaption",
    {},
    element("span", {}, language),
    button(say("code.copy"), "copy", { class: "quiet", "data-copy": "code" }),
  );
  const figure = element("figure", { class: "code", dir: "ltr" }, caption);
  pre.tabIndex = 0; // it scrolls sideways, by the keyboard too
  pre.replaceWith(figure);
  figure.append(pre);
}
