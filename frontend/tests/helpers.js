// Documents and kernels for tests.

import { readFileSync } from "node:fs";
import { Store } from "../src/store.js";

export const fixtures = JSON.parse(
	readFileSync(new URL("fixtures.json", import.meta.url), "utf-8"),
);

/** @param {string} text */
export const decoded = (text) => Uint8Array.from(Buffer.from(text, "base64"));

const CODES = { nan: 247, "+inf": 248, "-inf": 249, constant: 250, gap: 251 };

/**
 * A plate whose planes have the ranges given, of 2 x 3 values each.
 *
 * @param {[number | null, number | null][]} ranges
 * @param {object} [more]
 */
export function plate(ranges, more = {}) {
	const zeros = ranges.map(() => 0);
	const means = ranges.map(([low, high]) => (low === null ? null : (low + Number(high)) / 2));
	return {
		id: "a/0",
		height: 2,
		width: 3,
		full: /** @type {[number, number]} */ ([2, 3]),
		shrink: 1,
		channels: ranges.map((_, i) => i),
		low: ranges.map(([low]) => low),
		high: ranges.map(([, high]) => high),
		mean: means,
		std: means,
		absmean: means.map((mean) => mean && Math.abs(mean)),
		zeros,
		nan: zeros,
		inf: zeros,
		order: null,
		reach: null,
		prefix: null,
		slice: null,
		slice_words: "",
		made_of: null,
		...more,
	};
}

/**
 * @param {string} key
 * @param {Record<string, object>} plates
 * @param {object} [more]
 */
export const layer = (key, plates, more = {}) => ({
	key,
	code: JSON.stringify(key),
	path: key,
	call: 1,
	calls: 1,
	kind: "Conv2d",
	shape: "(1, 2, 2, 3)",
	dtype: "float32",
	device: "cpu",
	reason: null,
	plates,
	first: Object.keys(plates)[0] ?? "",
	words: [],
	noun: "channels",
	item: "channel",
	axes: { down: "row", across: "column", fold: "", row: 0, count: 0, numbers: null },
	of: 2,
	samples: 1,
	slices: 0,
	attention: null,
	dead: 0,
	dead_of: 2,
	nan: 0,
	inf: 0,
	spatial: true,
	signed: false,
	field: null,
	...more,
});

/**
 * A store of layers, with the pixels of some of their plates as they come from the kernel.
 *
 * @param {any[]} layers
 * @param {Map<string, Uint8Array>} [bytes]
 */
export function storeOf(layers, bytes = new Map()) {
	/** @type {any} */
	const contents = {
		layers,
		tree: layers.map(({ key }, n) => ({
			name: key,
			level: 0,
			layer: key,
			parent: null,
			end: n + 1,
		})),
		cmaps: fixtures.colors.cmaps,
		diverging: ["RdBu_r"],
		special: {
			nan: [255, 0, 255],
			"+inf": [255, 165, 0],
			"-inf": [173, 216, 230],
			constant: [128, 128, 128],
			gap: [1, 2, 3],
		},
		levels: fixtures.colors.levels,
		codes: CODES,
		selectors: [],
		controls: [],
		finds: [],
		keys: [],
		tips: {},
		settings: {
			cmap: "auto",
			scale: "channel",
			robust: 0,
			gamma: 1,
			sort: "index",
			topk: 0,
			zoom: 0,
			alpha: 0.7,
			shared: false,
		},
		start: { layer: layers[0].key, channel: 0, sample: 0 },
		inputs: 0,
		input: null,
		maps: "feature_maps",
		images: {},
		words: [],
	};
	return new Store(contents, bytes);
}

/** A kernel that remembers what it was told, and answers with `answer`. */
export class Kernel {
	/** @type {Record<string, any>} */
	traits = { _alive: true };

	/** @type {[string, any][]} */
	told = [];

	/** @type {any[]} */
	asked = [];

	/** @type {(question: any) => any} */
	answer = () => ({ content: { error: "no" }, buffers: [] });

	/** @param {string} name */
	get(name) {
		return this.traits[name];
	}

	/**
	 * @param {string} name
	 * @param {unknown} value
	 */
	set(name, value) {
		this.traits[name] = value;
		this.told.push([name, value]);
	}

	/** @param {any} question */
	async ask(question) {
		this.asked.push(question);
		return this.answer(question);
	}
}
