// What the explorer finds by itself: a button for each row of the document, where there is one.

import { make, makeButton, write } from "./dom.js";
import { percent } from "./format.js";
import { placeName } from "./names.js";
import { firstOf, isConstant, placeOf, shareOf, strongestOf } from "./plate.js";
import { choiceOf } from "./slices.js";

/** @import { Coding, Layer } from "./types" */
/** @import { State } from "./state.js" */

/**
 * What was found in the samples that the figures of layers are of.
 *
 * @typedef {object} Found
 * @property {Layer} layer
 * @property {number} i - The channel's place among those that are here, or -1.
 * @property {string} text
 * @property {number[]} [codes] - The bytes of the place in the channel.
 */

/**
 * The first layer with such values, and its first channel with one.
 *
 * @param {State} state
 * @param {"nan" | "inf"} what
 * @param {number[]} codes
 * @returns {Found | undefined}
 */
function firstWith({ layers }, what, codes) {
	const layer = layers.find((one) => one[what]);
	const i = layer ? (firstOf(layer)?.[what].findIndex(Boolean) ?? -1) : -1;
	return layer && { layer, i, text: layer.key, codes };
}

/** @type {Record<string, (state: State, coding: Coding) => Found | undefined>} */
export const FINDERS = {
	dead({ layers }) {
		const layer = layers.reduce((a, b) => (shareOf(b) > shareOf(a) ? b : a));
		const { key, dead, dead_of: of, noun } = layer;
		const plate = firstOf(layer);
		const i = plate ? plate.channels.findIndex((_, n) => isConstant(plate, n)) : -1;
		const text = `${key}: ${dead} of ${of || layer.of} ${noun}, ${percent(shareOf(layer))}`;
		return dead ? { layer, i, text } : undefined;
	},
	strongest({ layers }, { last }) {
		const [best] = layers
			.map((layer) => strongestOf(layer, firstOf(layer)))
			.filter((one) => one !== undefined)
			.sort((a, b) => b.most - a.most);
		const plate = best && firstOf(best.layer);
		if (!plate) return undefined;
		const { layer, channel, i, isHigh, end } = best;
		const name = placeName(layer, plate, channel);
		return { layer, i, text: `${layer.key}, ${name} (${end})`, codes: [isHigh ? last : 0] };
	},
	nan: (state, { codes }) => firstWith(state, "nan", [codes.nan]),
	inf: (state, { codes }) => firstWith(state, "inf", [codes["+inf"], codes["-inf"]]),
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
		const found = FINDERS[name](state, state.store.coding);
		if (found) goTo(found);
		return Boolean(found);
	}

	/** @param {Found} found */
	async function goTo({ layer: { key, first }, i, codes }) {
		const plate = state.layerOf(key)?.plates[first];
		state.go(key, plate?.channels[i], choiceOf(first));
		const picture = codes && plate && (await state.store.picture(plate.id));
		const { layer, channel } = state.choice.peek();
		if (!picture || layer !== key || channel !== plate.channels[i]) return;
		state.choose({ position: placeOf(plate, picture, i, codes) }, true);
	}

	return {
		element: make("div.fm-finds", ...buttons.map(({ button }) => button), none),
		/** Looks anew, since the layers have changed. */
		fill() {
			for (const { name, button, detail } of buttons) {
				const found = FINDERS[name](state, state.store.coding);
				button.hidden = !found;
				write(detail, found?.text ?? "");
			}
			const { layers } = state;
			const isClean = layers.every(({ dead, nan, inf }) => !(dead || nan || inf));
			const first = layers.some(({ samples }) => samples > 1) && ` in sample ${sampleOf(layers)}`;
			write(none, isClean ? `No dead channels, NaN or infinities${first || ""}.` : "");
		},
		/** @param {string} key */
		press(key) {
			const row = finds.find((one) => one.key === key);
			if (row && !go(row.name)) state.note.value = `${row.label}: none found.`;
			return Boolean(row);
		},
	};
}

/** The sample that the figures are of. @param {Layer[]} layers */
const sampleOf = (layers) => choiceOf(layers.find(({ first }) => first)?.first ?? "0").sample;
