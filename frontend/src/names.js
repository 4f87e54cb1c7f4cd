// How channels and places are called, in a layer's own words.

import { joined } from "./format.js";
import { sliceName } from "./slices.js";

/** @import { Layer, Plate, Position } from "./types" */

/**
 * Whether all items of a layer are in one picture, so that a place says which one is meant.
 *
 * @param {Layer} layer
 */
export const isWhole = ({ item, axes }) => [axes.down, axes.across, axes.fold].includes(item);

/**
 * The name of a channel, such as "head 2", or of a place in it, such as "token 5, unit 12".
 *
 * @param {Layer} layer
 * @param {Plate} plate
 * @param {number} channel
 * @param {Position | null} [position]
 */
export function placeName(layer, plate, channel, position) {
	const { item, axes, noun } = layer;
	const whole = isWhole(layer);
	const parts = [whole ? "" : `${item} ${channel}`, sliceName(plate.slice)];
	if (position) {
		const [y, x] = position;
		const at = y * plate.full[1] + x;
		if (axes.fold && at >= axes.count) return `no ${axes.fold}`;
		for (const [axis, n] of /** @type {const} */ ([
			[axes.down, y],
			[axes.across, x],
			[axes.fold, at],
		])) {
			// Where only some of the items are here, they have kept their numbers.
			const number = axis === item && axes.numbers ? axes.numbers[n] : n;
			if (axis) parts.push(`${axis} ${number}`);
		}
	}
	return joined(parts) || noun;
}
