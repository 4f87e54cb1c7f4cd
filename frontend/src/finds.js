// What the explorer finds by itself: a button for each row of the document, where there is one.

import { make, makeButton, write } from "./dom.js";
import { percent } from "./format.js";
import { shareOf, strongestOf } from "./plate.js";

/** @import { Layer } from "./types" */
/** @import { State } from "./state.js" */

/** @typedef {{layer: Layer, channel?: number, text: string}} Found */

/**
 * The first layer with such values, and its first channel with one.
 *
 * @param {State} state
 * @param {"nan" | "inf"} what
 * @returns {Found | undefined}
 */
function firstWith(state, what) {
	const layer = state.layers.find((one) => one[what]);
	const plate = layer && state.plateOf(layer);
	const i = plate ? plate[what].findIndex(Boolean) : -1;
	return layer && { layer, channel: plate?.channels[i], text: layer.key };
}

/** @type {Record<string, (state: State) => Found | undefined>} */
export const FINDERS = {
	dead({ layers }) {
		const layer = layers.reduce((a, b) => (shareOf(b) > shareOf(a) ? b : a));
		const text = `${layer.key}, ${percent(shareOf(layer))} of ${layer.noun}`;
		const plate = Object.values(layer.plates)[0];
		const channel = plate?.channels[plate.low.findIndex((low, i) => low === plate.high[i])];
		return layer.dead ? { layer, channel, text } : undefined;
	},
	strongest(state) {
		const [best] = state.layers
			.map((layer) => strongestOf(layer, state.plateOf(layer)))
			.filter((one) => one !== undefined)
			.sort((a, b) => b.most - a.most);
		return best && { ...best, text: `${best.layer.key}, ${best.layer.item} ${best.text}` };
	},
	nan: (state) => firstWith(state, "nan"),
	inf: (state) => firstWith(state, "inf"),
};

/**
 * Makes the buttons.
 *
 * @param {State} state
 */
export function makeFinds(state) {
	const { finds } = state.store.contents;
	const buttons = finds.map(({ name, label, tooltip, key }) => {
		const detail = make("span");
		const button = makeButton(label, () => go(name), `${tooltip} (${key})`);
		button.append(detail);
		return { name, button, detail };
	});
	const none = make("p.fm-quiet");

	/** @param {string} name */
	function go(name) {
		const found = FINDERS[name](state);
		if (found) state.go(found.layer.key, found.channel);
		return Boolean(found);
	}

	return {
		element: make("div.fm-finds", ...buttons.map(({ button }) => button), none),
		/** Looks anew, since the layers have changed. */
		fill() {
			for (const { name, button, detail } of buttons) {
				const found = FINDERS[name](state);
				button.hidden = !found;
				write(detail, found?.text ?? "");
			}
			const { layers } = state;
			const isClean = layers.every(({ dead, nan, inf }) => !(dead || nan || inf));
			write(none, isClean ? "No dead channels, NaN or infinities." : "");
		},
		/** @param {string} key */
		press(key) {
			const row = finds.find((one) => one.key === key);
			if (row && !go(row.name)) state.note.value = `${row.label}: there is none.`;
			return Boolean(row);
		},
	};
}
