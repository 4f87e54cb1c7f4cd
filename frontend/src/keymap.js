// The keys: what each does, by the rows of the document and what has the focus.

/** @import { Contents } from "./types" */

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
export const STEPS = {
	ArrowLeft: [0, -1],
	ArrowRight: [0, 1],
	ArrowUp: [-1, 0],
	ArrowDown: [1, 0],
};

/**
 * The keys of a document.
 *
 * @param {Pick<Contents, "keys" | "controls" | "finds">} contents
 */
export function keysOf({ keys, controls, finds }) {
	/** @type {Map<string, Action>} */
	const actions = new Map();
	/** @type {Record<string, string>} */
	const help = {};
	for (const row of keys) {
		help[row.shown] = row.help;
		for (const [key, [action, by]] of Object.entries(row.keys)) actions.set(key, { action, by });
	}
	for (const row of [...controls, ...finds]) {
		if (!row.key) continue;
		help[row.key] = row.help;
		actions.set(row.key, { action: "row", key: row.key });
	}
	return { actions, help };
}

/**
 * Returns what a key does; null if it is left to the browser.
 *
 * @param {Pressed} pressed
 * @param {Map<string, Action>} actions - Of keys but arrows and Escape.
 * @returns {Action | null}
 */
export function actionOf({ key, shift, on }, actions) {
	if (key === "Escape") return { action: "escape" };
	if (on === "finder" && key === "Enter") return { action: "found" };
	if (on === "finder" || on === "field") return null;
	if (on === "button" && (key === "Enter" || key === " ")) return null;
	if (on === "layers" && (key === "Enter" || key === " ")) return { action: "fold" };
	const step = STEPS[key];
	if (on === "divider" && key === "Enter") return { action: "full" };
	if (on === "divider" && step?.[1]) return { action: "divide", by: step[1] };
	if (!step) return actions.get(key) ?? null;
	if (shift) return { action: "place", step };
	return { action: on === "layers" ? "tree" : "channel", step };
}
