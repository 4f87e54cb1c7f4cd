// The cursor: the place under the pointer, or the chosen one, marked in every tile.

import { style } from "./dom.js";
import { within } from "./format.js";
import { whereOf } from "./slices.js";

/** @import { Kernel, PlaneBox, Position, Reading } from "./types" */
/** @import { State } from "./state.js" */

const REST = 100; // milliseconds after which a pointer that stays is asked about

/**
 * The place in a picture box that an event is at.
 *
 * @param {PlaneBox} box
 * @param {MouseEvent} event
 * @returns {Position}
 */
export function placeIn(box, { clientX, clientY }) {
	const canvas = /** @type {Element} */ (box.firstElementChild);
	const { top, left, width, height } = canvas.getBoundingClientRect();
	const parts = [(clientY - top) / height, (clientX - left) / width];
	const { full } = /** @type {NonNullable<PlaneBox["shows"]>} */ (box.shows).plate;
	const [y, x] = full.map((side, axis) => within(Math.floor(parts[axis] * side), 0, side - 1));
	return [y, x];
}

/**
 * What is read: the place under the pointer, or else the chosen channel and place.
 *
 * @param {State} state
 * @returns {Reading | null}
 */
export function readingOf(state) {
	const chosen = state.chosen.peek();
	const { position } = state.choice.peek();
	return state.hover.peek() ?? (chosen && { ...chosen, position });
}

/**
 * What tells one place from all others.
 *
 * @param {Reading} reading
 */
export const nameOf = ({ plate, channel, position }) => `${plate.id}/${channel}/${position}`;

/**
 * Follows the pointer, and asks the kernel for the exact value where it rests.
 *
 * @param {State} state
 */
export function makeCursor(state) {
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	let waiting;

	/** @param {Reading | null} reading */
	function wonder(reading) {
		clearTimeout(waiting);
		if (!reading?.position || !state.isAlive) return;
		if (state.exact.peek().name !== nameOf(reading)) waiting = setTimeout(() => ask(reading), REST);
	}

	/** @param {Reading} reading */
	async function ask(reading) {
		const { layer, channel, sample, position, plate } = reading;
		const where = whereOf(layer.key, sample, plate.slice);
		const question = { ask: "value", ...where, channel, position };
		const { content } = await /** @type {Kernel} */ (state.kernel).ask(question);
		if (!("value" in content)) return;
		const value = Number(String(content.value).replace("inf", "Infinity"));
		state.exact.value = { name: nameOf(reading), value };
	}

	return {
		/** @param {PointerEvent} event */
		point(event) {
			const isInside = event.type === "pointermove";
			const target = /** @type {Element} */ (event.target);
			const box = /** @type {PlaneBox | null} */ (isInside ? target.closest(".fm-pic") : null);
			if (!box?.shows && !state.hover.peek()) return;
			state.hover.value = box?.shows ? { ...box.shows, position: placeIn(box, event) } : null;
		},
		/**
		 * Marks the place in all tiles, by one write on the root.
		 *
		 * @param {HTMLElement} root
		 * @param {(at: Position | undefined) => void} drawField
		 */
		draw(root, drawField) {
			const reading = readingOf(state);
			const at = reading?.position;
			root.classList.toggle("fm-marked", Boolean(at));
			const shown = state.shown.peek();
			if (reading && at) {
				const { full } = reading.plate;
				style(root, { x: at[1] / full[1], y: at[0] / full[0], w: 1 / full[1], h: 1 / full[0] });
			}
			if (shown) {
				const [tall, wide] = reading?.plate.full ?? [1, 1];
				const [down, across] = shown.plate.full;
				drawField(
					at ? [Math.floor((at[0] / tall) * down), Math.floor((at[1] / wide) * across)] : undefined,
				);
			}
			wonder(reading);
		},
		stop: () => clearTimeout(waiting),
	};
}
