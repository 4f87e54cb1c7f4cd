// The keys, once: what each does, and what the help says of it.

/**
 * What a key is pressed on.
 *
 * @typedef {object} Pressed
 * @property {string} key
 * @property {boolean} shift
 * @property {"finder" | "layers" | "divider" | "field" | "button" | ""} on - What has the focus.
 */

/** @typedef {{action: string, by?: number, step?: [number, number], key?: string}} Action */

/** @type {Record<string, [number, number]>} */
const STEPS = {
	ArrowLeft: [0, -1],
	ArrowRight: [0, 1],
	ArrowUp: [-1, 0],
	ArrowDown: [1, 0],
};

/** @type {Record<string, Action>} */
const ACTIONS = {
	"[": { action: "layer", by: -1 },
	"]": { action: "layer", by: 1 },
	"+": { action: "zoom", by: 1 },
	"=": { action: "zoom", by: 1 }, // + without Shift
	"-": { action: "zoom", by: -1 },
	"/": { action: "seek" },
	n: { action: "sample", by: 1 },
	p: { action: "sample", by: -1 },
	Enter: { action: "pin" },
	f: { action: "full" },
	c: { action: "copy" },
	"?": { action: "help" },
};

const HELP = {
	"[ ]": "previous, next layer",
	arrows: "between channels, or in the tree between layers",
	"Shift arrows": "move the place in the channel",
	"/": "find a layer by path, class or glob",
	"+ -": "larger, smaller tiles",
	"n p": "next, previous sample",
	Enter: "pin or unpin the channel",
	f: "the channel in full width, and back",
	c: "copy the code that reaches the channel",
	"?": "these keys",
	Escape: "close, or let go of the place",
};

/** @typedef {{key: string, label: string, help?: string}} Row - Of a control or a find. */

/**
 * What the help says: the keys above, then those of controls and finds.
 *
 * @param {Row[]} rows
 * @returns {Record<string, string>}
 */
export const helpOf = (rows) => ({
	...HELP,
	...Object.fromEntries(
		rows.filter(({ key }) => key).map(({ key, help, label }) => [key, help ?? label]),
	),
});

/**
 * Returns what a key does; null if it is left to the browser.
 *
 * @param {Pressed} pressed
 * @param {Row[]} [rows]
 * @returns {Action | null}
 */
export function actionOf({ key, shift, on }, rows = []) {
	if (key === "Escape") return { action: "escape" };
	if (on === "finder" && key === "Enter") return { action: "found" };
	if (on === "finder" || on === "field") return null;
	if (on === "button" && (key === "Enter" || key === " ")) return null;
	if (on === "layers" && (key === "Enter" || key === " ")) return { action: "fold" };
	const step = STEPS[key];
	if (on === "divider" && key === "Enter") return { action: "full" };
	if (on === "divider" && step?.[1]) return { action: "divide", by: step[1] };
	const isOfRow = rows.some((row) => row.key === key);
	if (!step) return ACTIONS[key] ?? (isOfRow ? { action: "row", key } : null);
	if (shift) return { action: "place", step };
	return { action: on === "layers" ? "tree" : "channel", step };
}
