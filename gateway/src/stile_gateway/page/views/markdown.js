// The model's words as elements. Two walls stand between them and the page, and a third around it: markdown-it
// takes HTML for text; DOMPurify lets through the few elements below; the page's policy runs no script but its own.
import MarkdownIt from "../vendor/markdown-it.esm.min.mjs";
import "../vendor/purify.min.js";
import { button, element } from "../element.js";
import { say } from "../language.js";

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
const markdown = new MarkdownIt({ html: false, linkify: false, breaks: true }).disable("image");

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

/** Return `text` as a fragment that can do no harm. */
export function render(text) {
  const fragment = DOMPurify.sanitize(markdown.render(text), ALLOWED);
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
  const language = /(?:^|\s)language-(\S+)/.exec(pre.querySelector("code")?.className ?? "")?.[1] ?? "";
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

/**
 * Make `container` hold what `fragment` holds, and leave alone what is the same at its beginning: text that is
 * still being written keeps its selection and its scroll positions.
 */
export function patch(container, fragment) {
  const fresh = [...fragment.childNodes];
  let same = 0;
  while (same < fresh.length && container.childNodes[same]?.isEqualNode(fresh[same])) same += 1;
  while (container.childNodes.length > same) container.lastChild.remove();
  container.append(...fresh.slice(same));
}
