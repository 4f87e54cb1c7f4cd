// Axes of a picture: indices at its left and below it.

import { make } from "./dom.js";

const APART = { down: 18, across: 40 }; // CSS pixels between two indices, at least

/**
 * The places that are numbered: as many as have room, in steps of 1, 2 or 5 times a power of ten.
 *
 * @param {number} count - Of places along the axis.
 * @param {number} length - Of the axis, in pixels.
 * @param {number} apart - Pixels between two numbers, at least.
 */
export function ticksOf(count, length, apart) {
	const least = (count * apart) / length;
	const power = 10 ** Math.floor(Math.log10(Math.max(1, least)));
	const step = [1, 2, 5, 10].map((n) => n * power).find((one) => one >= least) ?? 10 * power;
	return Array.from({ length: Math.ceil(count / step) }, (_, n) => n * step);
}

/**
 * Makes the axes of a picture.
 *
 * @param {[number, number]} counts - Places down and across.
 * @param {[number, number]} sides - Pixels down and across.
 * @param {{down: string, across: string}} names
 * @param {number} [row] - How many places further each row is, where rows go on with the last one.
 */
export function makeAxes(counts, sides, names, row = 1) {
	/**
	 * @param {"down" | "across"} axis
	 * @param {number} n
	 */
	const axisOf = (axis, n) => {
		const side = axis === "down" ? "top" : "left";
		const ticks = ticksOf(counts[n], sides[n], APART[axis]).map((at) => {
			const tick = make("span", String(axis === "down" ? at * row : at));
			tick.style[side] = `${((at + 0.5) / counts[n]) * sides[n]}px`;
			return tick;
		});
		return make(
			`div.fm-axis.fm-${axis}`,
			{ "aria-hidden": true },
			...ticks,
			make("em", names[axis]),
		);
	};
	return [axisOf("down", 0), axisOf("across", 1)];
}
