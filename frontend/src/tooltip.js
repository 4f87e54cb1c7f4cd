// One tooltip for all: shown where the pointer rests or the focus is, put away with Escape.

import { make, write } from "./dom.js";
import { within } from "./format.js";

const REST = 700; // milliseconds

/**
 * Makes the tooltip of the elements with a `data-tip` inside a root.
 *
 * @param {string} id
 */
export function makeTooltip(id) {
	const element = make("div.fm-tip", { id, role: "tooltip", hidden: "" });
	/** @type {Element | null} */
	let anchor = null;
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	let waiting;

	// What changes under a pointer that rests sends events, too: they leave the focus's tooltip.
	let isFocus = false;

	/**
	 * @param {Element | null} next
	 * @param {boolean} byFocus
	 */
	function wait(next, byFocus) {
		if (isFocus && !byFocus && !next) return;
		isFocus = byFocus && next !== null;
		clearTimeout(waiting);
		if (anchor !== next) hide();
		if (next && anchor !== next) waiting = setTimeout(show, REST, next);
	}

	/** @param {HTMLElement | null} next */
	function show(next) {
		const root = element.parentElement;
		if (!root || !next?.isConnected || !next.dataset.tip) return;
		anchor = next;
		write(element, next.dataset.tip);
		element.hidden = false;
		next.setAttribute("aria-describedby", id);
		const [around, box] = [root, next].map((one) => one.getBoundingClientRect());
		const { offsetWidth: wide, offsetHeight: tall } = element;
		const below = box.bottom - around.top + 4;
		const top = below + tall < around.height ? below : box.top - around.top - tall - 4;
		element.style.top = `${Math.max(0, top)}px`;
		element.style.left = `${within(box.left - around.left, 0, Math.max(0, around.width - wide - 4))}px`;
	}

	/** Puts it away; returns whether it was there. */
	function hide() {
		clearTimeout(waiting);
		const wasShown = !element.hidden;
		anchor?.removeAttribute("aria-describedby");
		anchor = null;
		element.hidden = true;
		return wasShown;
	}

	/**
	 * What is active in a list that has the focus, or else what has it.
	 *
	 * @param {Element} at
	 */
	const explained = (at) =>
		/** @type {HTMLElement | null} */ (
			at.ownerDocument.getElementById(at.getAttribute("aria-activedescendant") ?? "") ??
				at.closest("[data-tip]")
		);

	return {
		element,
		hide,
		/** Follows the pointer. @param {Event} event */
		point({ type, target }) {
			const at = /** @type {Element} */ (target);
			if (at === element) return;
			// Over a picture the status tells what is there, and nothing should cover its neighbors.
			const isShown = type === "pointerover" && !at.closest(".fm-pic");
			wait(isShown ? at.closest("[data-tip]") : null, false);
		},
		/** Follows the focus. @param {Event} event */
		focus({ type, target }) {
			const at = /** @type {Element} */ (target);
			wait(type === "focusin" && at.matches(":focus-visible") ? explained(at) : null, true);
		},
		/** Shows that of what has the focus, at once. @param {Element} at */
		explain(at) {
			wait(explained(at), true);
			show(explained(at));
		},
	};
}
