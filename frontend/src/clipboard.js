// The code that reaches what is chosen, and the way to the clipboard.

import { make } from "./dom.js";
import { indexOf } from "./plate.js";

/** @import { Layer, Plate, Position } from "./types" */

/**
 * Returns the code of the chosen channel in the user's variable.
 *
 * @param {{maps: string}} contents
 * @param {Pick<Layer, "code" | "axes">} layer
 * @param {Plate | undefined} plate
 * @param {number} channel
 */
export function codeOf({ maps }, layer, plate, channel) {
	const code = `${maps}[${layer.code}]`;
	const reach = plate?.reach ?? plate?.made_of?.reach;
	if (!plate || !reach) return code;
	/** @type {Position} */
	const end = [plate.full[0] - 1, plate.full[1] - 1];
	// A last row that isn't full ends with its last value.
	if (layer.axes.fold) end[1] = (layer.axes.count - 1) % plate.full[1];
	const first = indexOf(reach, channel, [0, 0]);
	const last = indexOf(reach, channel, end);
	// What all of the plane shares.
	const steps = first.map((n, axis) => (n === last[axis] ? n : `${n || ""}:`));
	let made = "";
	if (plate.made_of) {
		const { axis } = plate.made_of;
		const along = steps.slice(0, axis).filter((step) => typeof step === "string").length;
		steps[axis] = ":";
		made = `.${plate.slice === "mean" ? "mean" : "amax"}(${along})`;
	}
	while (steps.at(-1) === ":") steps.pop();
	return code + (steps.length ? `[${steps.join(", ")}]` : "") + made;
}

/**
 * Copies a text, and returns whether that could be done; the clipboard is closed to some frames, and then a text area does it.
 *
 * @param {string} text
 * @param {HTMLElement} root
 */
export async function copyText(text, root) {
	const before = document.activeElement;
	try {
		await navigator.clipboard.writeText(text);
		return true;
	} catch {
		const area = /** @type {HTMLTextAreaElement} */ (make("textarea", text));
		root.append(area);
		area.select();
		const isDone = document.execCommand("copy");
		area.remove();
		if (before instanceof HTMLElement) before.focus();
		return isDone;
	}
}
