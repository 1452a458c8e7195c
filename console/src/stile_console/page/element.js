// Elements of the page. Text is set as text; there is no way to markup from here.

/**
 * Make an element.
 * @param {string} name of its tag.
 * @param {Object<string, string|number|boolean|Function|null>} attributes: a function listens to the event of its
 *   name; true is an attribute without a value; false, null and undefined are none.
 * @param {...(Node|string|number|null)} children
 */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(key, value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/**
 * Make a table in a frame that scrolls sideways.
 * @param {string} caption, for screen readers.
 * @param {string[]} heads of the columns.
 * @param {(Node|string)[][]} rows
 */
export function table(caption, heads, rows) {
  return element(
    "div",
    { class: "frame", tabindex: "0", role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", { class: "hidden" }, caption),
      element("thead", {}, element("tr", {}, ...heads.map((head) => element("th", { scope: "col" }, head)))),
      element(
        "tbody",
        {},
        ...rows.map((cells) => element("tr", {}, ...cells.map((cell, index) => asCell(cell, index)))),
      ),
    ),
  );
}

function asCell(cell, index) {
  return index === 0 ? element("th", { scope: "row" }, cell) : element("td", {}, cell);
}

/**
 * Put `children` into `parent` in the place of what is there, but only if they look different. The focus stays on
 * the control with the same `data-key`.
 */
export function replace(parent, ...children) {
  const made = document.createElement(parent.tagName);
  made.append(...children.filter((child) => child !== null));
  if (isSame(made, parent)) return;
  const key = parent.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  parent.replaceChildren(...made.childNodes);
  if (key) [...parent.querySelectorAll("[data-key]")].find((control) => control.dataset.key === key)?.focus();
}

/** A button. */
export function button(label, click, attributes = {}) {
  return element("button", { type: "button", click, ...attributes }, label);
}

/** A QR code: one path in a square of `size` modules. */
export function qrCode({ size, path }, label) {
  const namespace = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(namespace, "svg");
  for (const [key, value] of Object.entries({ viewBox: `0 0 ${size} ${size}`, role: "img", "aria-label": label, class: "qr" })) {
    svg.setAttribute(key, value);
  }
  const drawn = document.createElementNS(namespace, "path");
  drawn.setAttribute("d", path);
  drawn.setAttribute("stroke", "#000");
  svg.append(drawn);
  return svg;
}

function isSame(one, other) {
  const nodes = (parent) => [...parent.childNodes];
  const [ones, others] = [nodes(one), nodes(other)];
  return ones.length === others.length && ones.every((node, index) => node.isEqualNode(others[index]));
}
