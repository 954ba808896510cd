// Elements, made without ever taking text for markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element: attributes by name, functions as listeners, then children; null is no child. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same of SVG. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function byId(id) {
  return document.getElementById(id);
}

/** What the service told of itself in the head of the page. */
export function told(name) {
  return document.querySelector(`meta[name="${name}"]`).content;
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null));
  return element;
}

let names = 0;

/** An id that nothing else on the page has. */
export function fresh(name) {
  names += 1;
  return `${name}-${names}`;
}
