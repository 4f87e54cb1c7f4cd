// The divider between the grid and the chosen channel: dragged, or moved by arrows.

import { make, style } from "./dom.js";
import { within } from "./format.js";

const [NARROWEST, STEP] = [200, 32]; // CSS pixels

/**
 * Makes the divider.
 *
 * @param {{tip: string, toggleFull: () => void, redraw: () => void}} how
 */
export function makeDivider({ tip, toggleFull, redraw }) {
	const element = make("div.fm-divider", {
		role: "separator",
		tabindex: 0,
		label: "Width of the chosen channel",
		tip,
		"aria-orientation": "vertical",
		"aria-valuemin": 0,
		"aria-valuemax": 100,
		"aria-valuenow": 30,
		ondblclick: toggleFull,
		/** @param {PointerEvent} event */
		onpointerdown: ({ pointerId }) => element.setPointerCapture(pointerId),
		/** @param {PointerEvent} event */
		onpointermove({ pointerId, clientX }) {
			if (element.hasPointerCapture(pointerId)) move(clientX);
		},
	});

	/** @param {number} x - Where it should be on the page. */
	function move(x) {
		const { parentElement: main, nextElementSibling: side } = element;
		if (!main || !side) return;
		const { left, right } = main.getBoundingClientRect();
		const wide = within(right - x, NARROWEST, Math.max(NARROWEST, right - left - 2 * NARROWEST));
		style(main, { side: `${wide}px` });
		redraw();
	}

	return {
		element,
		/** Says where it is. */
		draw() {
			const { parentElement: main, nextElementSibling: side } = element;
			if (main && side) {
				element.ariaValueNow = String(Math.round((100 * side.clientWidth) / main.clientWidth));
			}
		},
		/** @param {number} by - Steps to the right. */
		step: (by) => move(element.getBoundingClientRect().left + by * STEP),
	};
}
