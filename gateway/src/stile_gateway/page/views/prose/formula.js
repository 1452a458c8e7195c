// Formulas in the model's words: `\(…\)` in a line; `\[…\]` and `$$…$$` on their own. A single `$` is money.
// They are read by a rule of markdown-it, typeset by Temml as MathML, and sanitized like all that is made of text.
import "../../vendor/purify.min.js";
import { element } from "../../element.js";
import { say } from "../../language.js";
import { Library, Rendered } from "./library.js";

const { DOMPurify } = globalThis;
const CLOSERS = { "\\(": "\\)", "\\[": "\\]", $$: "$$" };
/** A longer formula stays text: it is no formula, and to look for its end must not take long. */
const MOST_CHARS = 4_000;

const temml = new Library(async () => {
  const style = element("link", { rel: "stylesheet", href: new URL("../../vendor/temml.css", import.meta.url).href });
  document.head.append(style);
  return (await import("../../vendor/temml.min.mjs")).default;
});
const rendered = new Rendered(300);

const ALLOWED = {
  ALLOWED_TAGS: [
    "math menclose merror mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace",
    "msqrt mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none",
  ].join(" ").split(" "),
  ALLOWED_ATTR: [
    "accent accentunder class columnalign columnlines columnspacing columnspan depth display displaystyle fence form",
    "height largeop linethickness lspace mathvariant maxsize minsize movablelimits notation rowlines rowspacing",
    "rspace scriptlevel separator stretchy symmetric voffset width",
  ].join(" ").split(" "),
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};
/** What a formula may style. Nothing here puts it in another place. */
const STYLE = /^(?:border|padding|text-align|font-(?:style|weight)|color|math-depth|width)(?:-\w+)?$/;

/** Add the rules to a markdown-it. `env.writing` is the whole text if it is still being written. */
export function formulas(markdown) {
  markdown.inline.ruler.before("escape", "formula", inlineRule); // for which `\(` is an escaped bracket
  markdown.block.ruler.before("fence", "formula", blockRule, { alt: ["paragraph", "reference", "blockquote", "list"] });
  const { escapeHtml } = markdown.utils;
  const code = ({ content, info }) => `<code class="${info}">${escapeHtml(content)}</code>`;
  markdown.renderer.rules.formula = (tokens, index) => code(tokens[index]);
  markdown.renderer.rules.formula_block = (tokens, index) => `<p>${code(tokens[index])}</p>\n`;
}

/** Put formulas in the place of their source, as far as Temml is there and understands them. */
export function typeset(fragment) {
  for (const code of fragment.querySelectorAll("code.formula")) {
    const math = rendering(code.textContent);
    if (math) code.replaceWith(math);
  }
}

function rendering(source) {
  const library = temml.get();
  return library && rendered.of(source, () => mathOf(library, source));
}

function mathOf(library, source) {
  const displayMode = !source.startsWith("\\(");
  let markup;
  try {
    markup = library.renderToString(source.slice(2, -2).trim(), { displayMode, throwOnError: true, trust: false });
  } catch {
    return null; // the model has made a mistake: its source is shown
  }
  const math = sanitized(markup);
  return displayMode ? element("span", { class: "formula", tabindex: "0", role: "group", "aria-label": say("formula") }, math) : math;
}

/** The page's policy allows no style in an attribute. What a formula needs is set from here instead. */
function sanitized(markup) {
  const styles = [];
  DOMPurify.addHook("uponSanitizeAttribute", (node, { attrName, attrValue }) => {
    if (attrName === "data-style") styles.push([node, attrValue]);
  });
  try {
    const fragment = DOMPurify.sanitize(markup.replaceAll(' style="', ' data-style="'), ALLOWED);
    for (const [node, style] of styles) {
      for (const declaration of style.split(";")) {
        const [name, value] = declaration.split(":");
        if (value && STYLE.test(name.trim())) node.style.setProperty(name.trim(), value.trim());
      }
    }
    return fragment.firstElementChild;
  } finally {
    DOMPurify.removeAllHooks();
  }
}

function inlineRule(state, silent) {
  const { src, pos, env } = state;
  const opener = openerAt(src, pos);
  if (!opener) return false;
  const end = endOf(src, pos, opener);
  const isWhole = end !== null && !(opener === "$$" && /\d/.test(src[end] ?? "")); // "$$5 and $$6" is no formula
  if (isWhole || isUnfinished(env, src, pos)) {
    const next = isWhole ? end : state.posMax;
    if (!silent) push(state, "formula", src.slice(pos, next), isWhole);
    state.pos = next + (opener === "\\(" ? 0 : stopLength(src, next));
    return true;
  }
  if (opener === "$$") return false;
  if (!silent) state.pending += opener; // it keeps its backslash
  state.pos += opener.length;
  return true;
}

function blockRule(state, startLine, endLine, silent) {
  const { src, env } = state;
  const start = state.bMarks[startLine] + state.tShift[startLine];
  const opener = openerAt(src, start);
  if (!opener || opener === "\\(" || state.sCount[startLine] - state.blkIndent >= 4) return false;
  const end = endOf(src, start, opener);
  const isWhole = end !== null;
  if (!isWhole && !isUnfinished(env, src, start)) return false;
  let line = startLine;
  while (line < endLine && state.eMarks[line] < (end ?? src.length)) {
    line += 1;
    const isOutside = line < endLine && state.sCount[line] < state.blkIndent && !state.isEmpty(line);
    if (isOutside) return false; // the list or quotation ends before the formula does
  }
  if (isWhole && line >= endLine) return false;
  const rest = isWhole ? src.slice(end + stopLength(src, end), state.eMarks[line]).trim() : "";
  if (rest && line === startLine) return false; // it stands in a line of text
  if (silent) return true;
  const nextLine = Math.min(line + 1, endLine);
  const lines = state.getLines(startLine, nextLine, state.blkIndent, false).trim();
  const content = isWhole ? lines.slice(0, lines.lastIndexOf(CLOSERS[opener], lines.length - rest.length - 1) + 2) : lines;
  push(state, "formula_block", content, isWhole).map = [startLine, nextLine];
  if (rest) pushParagraph(state, rest);
  state.line = nextLine;
  return true;
}

/** What follows a formula in its last line. */
function pushParagraph(state, content) {
  state.push("paragraph_open", "p", 1);
  Object.assign(state.push("inline", "", 0), { content, children: [] });
  state.push("paragraph_close", "p", -1);
}

function push(state, type, content, isWhole) {
  const token = state.push(type, "", 0);
  token.content = content;
  token.info = isWhole ? "formula" : "source";
  return token;
}

function openerAt(src, pos) {
  const opener = src.slice(pos, pos + 2);
  return Object.hasOwn(CLOSERS, opener) ? opener : null;
}

/** Return the length of the full stop or comma that ends a line after a formula: it would stand alone below it. */
function stopLength(src, pos) {
  return /[.,;:]?(?=[^\S\n]*(?:\n|$))/y.exec(src.slice(pos, pos + 9))?.[0].length ?? 0;
}

/** Return where the formula that begins at `pos` ends, or null if it does not end, or is empty. */
function endOf(src, pos, opener) {
  const closer = CLOSERS[opener];
  const last = Math.min(src.length, pos + MOST_CHARS);
  for (let index = pos + 2; index < last; index += 1) {
    if (src.startsWith(closer, index)) return src.slice(pos + 2, index).trim() ? index + 2 : null;
    if (src[index] === "\\") index += 1;
  }
  return null;
}

/** Whether the end of a formula may still come: the text is being written, and this is its end. */
function isUnfinished({ writing }, src, pos) {
  if (writing === undefined || src.length - pos > MOST_CHARS) return false;
  return writing.endsWith(src.slice(src.lastIndexOf("\n", src.trimEnd().length) + 1).trim());
}
