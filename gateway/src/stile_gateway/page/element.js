// Elements of the page. Text is set as text; there is no way to markup from here.

/**
 * Make an element.
 * @param {string} name of its tag.
 * @param {Object<string, string|boolean|Function|null>} attributes: a function listens to the event of its name;
 *   true is an attribute without a value; false and null are none.
 * @param {...(Node|string|null)} children
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

/**
 * Whether a key is an input method's (for Japanese, say), and not the page's: its Enter chooses a word. Safari ends
 * the composition before it sends the key; only the code 229 shows it.
 */
export function isOfInputMethod({ isComposing, keyCode }) {
  return isComposing || keyCode === 229;
}

/** Make one of the icons that stand in index.html. */
export function icon(name) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(namespace, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/** Make a button that shows an icon, and a label where there is room for one. */
export function button(label, iconName, attributes = {}, { labelled = false } = {}) {
  const content = labelled ? [icon(iconName), element("span", {}, label)] : [icon(iconName)];
  return element(
    "button",
    { type: "button", title: label, "aria-label": labelled ? null : label, ...attributes },
    ...content,
  );
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
