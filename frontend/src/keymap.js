// The keys, once: what each does, and what the help says of it.

/**
 * What a key is pressed on.
 *
 * @typedef {object} Pressed
 * @property {string} key
 * @property {boolean} shift
 * @property {"finder" | "layers" | "field" | "button" | ""} on - What has the focus.
 */

/** @typedef {{action: string, by?: number, step?: [number, number]}} Action */

/** @type {Record<string, [number, number]>} */
export const STEPS = {
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
	"/": { action: "find" },
	Enter: { action: "pin" },
	c: { action: "copy" },
	k: { action: "patch" },
	"?": { action: "help" },
};

/** What the help says, in order. */
export const HELP = {
	"[ ]": "layer before, after",
	arrows: "channel beside, above, below",
	"Shift arrows": "move the place",
	"+ -": "zoom",
	"/": "find a layer by name",
	Enter: "pin or unpin the channel",
	c: "copy the code that reaches it",
	k: "kernel × patch: the sum that gives the value",
	"?": "these keys",
	Escape: "close, let go of the place",
};

/**
 * Returns what a key does; null if it is left to the browser.
 *
 * @param {Pressed} pressed
 * @returns {Action | null}
 */
export function actionOf({ key, shift, on }) {
	if (key === "Escape") return { action: "escape" };
	if (on === "finder" && key === "Enter") return { action: "found" };
	if (on === "finder" || on === "field") return null;
	if (on === "button" && (key === "Enter" || key === " ")) return null;
	const step = STEPS[key];
	if (!step) return ACTIONS[key] ?? null;
	if (shift) return { action: "place", step };
	if (on === "layers") return { action: "layer", by: step[0] + step[1] };
	return { action: "channel", step };
}
