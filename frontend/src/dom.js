// Elements made by hand: text is always set as text, never as HTML.

import { within } from "./format.js";

/** @type {Record<string, string>} */
const ATTRIBUTES = { label: "aria-label", tip: "data-tip" };

/**
 * Makes an element.
 *
 * @param {string} tag - The name, and after dots the classes: `div.fm-tile`.
 * @param {Record<string, any> | Node | string} [attributes] - Attributes, if any; `on…` are
 *   listeners, `label` is what assistive technology reads, and `tip` what the tooltip says.
 * @param {...(Node | string)} children - Strings become text.
 * @returns {HTMLElement}
 */
export function make(tag, attributes = {}, ...children) {
	const [name, ...kinds] = tag.split(".");
	const element = document.createElement(name);
	if (kinds.length) element.className = kinds.join(" ");
	if (typeof attributes === "string" || attributes instanceof Node) element.append(attributes);
	else {
		for (const [key, value] of Object.entries(attributes)) {
			if (key.startsWith("on")) Object.assign(element, { [key]: value });
			else element.setAttribute(ATTRIBUTES[key] ?? key, String(value));
		}
	}
	element.append(...children);
	return element;
}

/**
 * Makes a canvas.
 *
 * @param {string} kind - Its class, or "".
 * @param {Record<string, unknown>} attributes
 */
export function makeCanvas(kind, attributes) {
	return /** @type {HTMLCanvasElement} */ (make(kind ? `canvas.${kind}` : "canvas", attributes));
}

/**
 * Makes a button.
 *
 * @param {string} text
 * @param {() => void} onclick
 * @param {string} [tip] - What its tooltip says, if it has one.
 */
export function makeButton(text, onclick, tip) {
	return /** @type {HTMLButtonElement} */ (make("button", { onclick, ...(tip && { tip }) }, text));
}

/**
 * Makes a picture box: a canvas, and room above it for the mark of a place.
 *
 * @param {string} kind - The class of the canvas, or "".
 * @param {string} label
 * @param {((event: MouseEvent) => void) | null} [onclick]
 * @returns {import("./types").PlaneBox}
 */
export function makePictureBox(kind, label, onclick = null) {
	return make("div.fm-pic", { onclick }, makeCanvas(kind, { role: "img", label }));
}

/**
 * Keeps the focus in the explorer when an element that has it goes: keys would go to the notebook.
 *
 * @param {Element} element
 */
export function keepFocus(element) {
	if (!element.contains(document.activeElement)) return;
	/** @type {HTMLElement | null} */ (element.closest(".featmagic-explorer"))?.focus();
}

/**
 * Returns the canvas of a picture box or a layer's option.
 *
 * @param {Element} box
 */
export const canvasIn = (box) => /** @type {HTMLCanvasElement} */ (box.querySelector("canvas"));

/**
 * Sets custom properties, which the style sheet uses.
 *
 * @param {HTMLElement} element
 * @param {Record<string, string | number>} values
 */
export function style(element, values) {
	for (const [key, value] of Object.entries(values)) {
		element.style.setProperty(`--fm-${key}`, String(value));
	}
}

/**
 * Sets the text of an element; the same text again changes nothing, so that nothing is read twice.
 *
 * @param {Element} element
 * @param {string} text
 */
export function write(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the terms and descriptions of a `<dl>`.
 *
 * @param {Record<string, string>} rows
 */
export const pairs = (rows) =>
	Object.entries(rows).flatMap(([what, text]) => [make("dt", what), make("dd", text)]);

/**
 * Scrolls a box so far that a part of it is in sight; `scrollIntoView` would move the notebook too.
 *
 * @param {Element} box
 * @param {{top: number, height: number, left?: number, width?: number}} part
 */
export function reveal(box, { top, height, left = 0, width = 0 }) {
	box.scrollTop = within(box.scrollTop, top + height - box.clientHeight, top);
	box.scrollLeft = within(box.scrollLeft, left + width - box.clientWidth, left);
}
