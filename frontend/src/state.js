// What one view shows: what the user chose, what is unpacked of it, and what follows from both.

import { batch, computed, signal } from "@preact/signals-core";
import { colorsOf } from "./color.js";
import { same, within } from "./format.js";
import { isWhole } from "./names.js";
import { firstOf, placeOf, strongestOf } from "./plate.js";
import { plateKey, sliceName, sliceOf, whereOf } from "./slices.js";

/** @import { Signal } from "@preact/signals-core" */
/** @import { Choice, Kernel, Layer, Pin, Plate, Reading, Settings, Shown, ShownChannel, Slice, Tiling } from "./types" */
/** @import { Store } from "./store.js" */

export class State {
	/** @type {Signal<Shown | null>} */
	shown = signal(null);

	/** The place under the pointer. @type {Signal<Reading | null>} */
	hover = signal(null);

	/** @type {Signal<Pin[]>} */
	pins = signal([]);

	/** A word on what was done last. */
	note = signal("");

	/** The control whose choice isn't shown yet: what it asked for is loaded, or computed. */
	asking = signal("");

	/** An exact value that the kernel told. @type {Signal<{name: string, value: number}>} */
	exact = signal({ name: "", value: 0 });

	/** Grows with what has no signal of its own: news, the layers, the kernel's life. */
	others = signal(0);

	/** Whether the grid should scroll to the chosen channel when it is drawn. */
	reveals = false;

	/** Whether the grid should begin at its top when it is drawn. */
	isNewLayer = false;

	/** Of the grid, once it is drawn. @type {Tiling | null} */
	tiling = null;

	/** Whether the chosen channel takes the room of the grid, too. */
	isFull = false;

	/** Whether the view was taken down. */
	isStopped = false;

	#notHere = signal("");

	/** @type {number | null} */
	#picked = null;

	// The load under way; a later one takes its place.
	#turn = {};

	/**
	 * @param {Store} store
	 * @param {Kernel | null} kernel
	 */
	constructor(store, kernel) {
		this.store = store;
		this.kernel = kernel;
		/** @type {Choice} */
		const start = { position: null, slice: "mid", ...store.contents.start };
		const given = Object.keys(start).map((name) => [name, kernel?.get(name)]);
		const known = given.filter(([, value]) => value !== undefined && value !== null);
		this.choice = signal({ ...start, ...Object.fromEntries(known) });
		/** @type {Signal<Settings>} */
		this.settings = signal({ ...store.contents.settings, ...kernel?.get("settings") });

		this.colors = computed(() => {
			const shown = this.shown.value;
			return shown && colorsOf(store, shown, this.settings.value);
		});
		this.order = computed(() => {
			const shown = this.shown.value;
			return shown ? ordered(shown.plate, this.settings.value) : { by: "index", places: [] };
		});
		this.best = computed(() => {
			const shown = this.shown.value;
			const best = shown && strongestOf(shown.layer, shown.plate);
			const isAlone = shown?.plate.channels.length === 1;
			if (!best || (isAlone && !isWhole(shown.layer))) return undefined;
			const level = best.isHigh ? store.coding.last : 0;
			const position = placeOf(shown.plate, shown.picture, best.i, [level]);
			return { ...best, plate: shown.plate, isAlone, position };
		});
		/** The chosen channel, if it is here. */
		this.chosen = computed(() => this.#chosen(this.choice.value.channel));
		/** Why nothing is shown; "" if something is. */
		this.missing = computed(() => {
			const shown = this.shown.value;
			if (!shown) return this.#notHere.value;
			if (this.chosen.value) return "";
			const { channel } = this.choice.value;
			return `Channel ${channel} isn't one of the ${shown.plate.channels.length} channels shown.`;
		});
	}

	get layers() {
		return this.store.contents.layers;
	}

	/** The chosen layer; the first if there is none of that name. */
	get layer() {
		return this.layerOf(this.choice.peek().layer) ?? this.layers[0];
	}

	/** The place of the chosen channel in the order of the grid, or -1. */
	get place() {
		const { channels } = this.shown.peek()?.plate ?? { channels: [] };
		return this.order.peek().places.findIndex((i) => channels[i] === this.choice.peek().channel);
	}

	get isAlive() {
		return this.kernel !== null && !this.isStopped && this.kernel.get("_alive") !== false;
	}

	/** The number of the input that the model ran on last; null for that of the look. */
	get input() {
		return this.kernel?.get("input") ?? null;
	}

	/** The chosen layer's outputs, a row for each call and part of it. */
	get callsOfLayer() {
		const { path } = this.layer;
		return this.layers.filter((layer) => layer.path === path);
	}

	/** @param {string | undefined} key */
	layerOf(key) {
		return this.layers.find((layer) => layer.key === key);
	}

	/** @param {Layer} layer */
	sampleOf(layer) {
		return within(this.choice.peek().sample, 0, Math.max(0, layer.samples - 1));
	}

	/** The key of a layer's plate of the chosen sample and slice. @param {Layer} layer */
	keyOf(layer) {
		return plateKey(this.sampleOf(layer), sliceOf(layer, this.choice.peek()));
	}

	/** @param {Layer} layer */
	plateOf(layer) {
		return layer.plates[this.keyOf(layer)] ?? firstOf(layer);
	}

	/**
	 * @param {number} channel
	 * @returns {ShownChannel | null}
	 */
	#chosen(channel) {
		const shown = this.shown.value;
		const i = shown ? shown.plate.channels.indexOf(channel) : -1;
		return shown && i >= 0 ? { ...shown, channel, i } : null;
	}

	// What the user does

	/** @param {Partial<Settings>} some */
	set(some) {
		this.note.value = "";
		this.reveals ||= "sort" in some || "topk" in some;
		this.settings.value = { ...this.settings.peek(), ...some };
		this.#tell("settings", this.settings.peek());
	}

	/**
	 * Chooses a layer, and in it the same channel if it has it.
	 *
	 * @param {string | undefined} key
	 * @param {number} [channel]
	 * @param {Partial<Choice>} [more] - What else to choose.
	 */
	go(key, channel = this.choice.peek().channel, more = {}) {
		const layer = this.layerOf(key);
		if (!layer) return;
		const plate = this.plateOf(layer);
		const isThere = plate?.channels.includes(channel) !== false;
		const hasPlaces = same(plate?.full, this.shown.peek()?.plate.full);
		this.choose(
			{
				layer: layer.key,
				channel: isThere ? channel : /** @type {Plate} */ (plate).channels[0],
				position: hasPlaces ? this.choice.peek().position : null,
				...more,
			},
			true,
		);
	}

	/**
	 * @param {Partial<Choice>} some
	 * @param {boolean} [shows] - Whether to scroll the chosen channel into sight.
	 */
	choose(some, shows = false) {
		const { layer, sample, slice } = this.choice.peek();
		batch(() => {
			const choice = { ...this.choice.peek(), ...some };
			this.choice.value = choice;
			for (const [name, value] of Object.entries(some)) this.#tell(name, value);
			this.note.value = "";
			this.reveals ||= shows;
			if (shows) this.hover.value = null;
			const isSame = choice.layer === layer;
			if (isSame && choice.sample === sample && choice.slice === slice) return;
			this.asking.value = "layer";
			if (isSame) this.asking.value = choice.sample === sample ? "slice" : "sample";
			this.load();
		});
	}

	/** @param {number | null} input - None for the one that was captured. */
	pick(input) {
		this.note.value = "";
		if (input !== this.input) this.asking.value = "input";
		this.#picked = input;
		this.#tell("input", input);
	}

	/** The kernel has shown the input that was picked, or said why it can't. */
	endInput() {
		this.#picked = null;
		if (this.asking.peek() === "input") this.asking.value = "";
	}

	/**
	 * @param {string} name
	 * @param {unknown} value
	 */
	#tell(name, value) {
		if (this.kernel && !same(this.kernel.get(name), value)) this.kernel.set(name, value);
	}

	// What the kernel does

	/**
	 * Follows a trait that changed in the kernel.
	 *
	 * @param {string} name
	 */
	follow(name) {
		const value = this.kernel?.get(name);
		const choice = this.choice.peek();
		if (name === "settings") {
			const news = { ...this.settings.peek(), ...value };
			if (!same(this.settings.peek(), news)) this.set(news);
		} else if (name in choice && !same(choice[/** @type {keyof Choice} */ (name)], value)) {
			this.choose({ [name]: value }, true);
		} else {
			this.others.value++;
		}
		if (name === "input" && value !== this.#picked) this.endInput();
		if (name === "_alive") this.load(); // what was asked won't be answered
	}

	/** Shows the chosen layer and sample, once they are unpacked; asks for them if they aren't here. */
	async load() {
		const { store, layer } = this;
		const sample = this.sampleOf(layer);
		const slice = sliceOf(layer, this.choice.peek());
		const plate = layer.plates[plateKey(sample, slice)];
		const mine = {};
		this.#turn = mine;
		if (this.choice.peek().layer !== layer.key) {
			this.choice.value = { ...this.choice.peek(), layer: layer.key };
		}
		const picture = plate && (await store.picture(plate.id));
		if (this.#turn !== mine || this.isStopped) return;
		const isNew = this.shown.peek()?.layer.key !== layer.key;
		this.isNewLayer ||= isNew;
		this.reveals ||= isNew;
		const why = this.isAlive ? "loaded yet" : "available: no kernel is running to load it";
		const asks = !plate && !layer.reason && this.isAlive;
		batch(() => {
			this.shown.value = picture ? { layer, plate, picture, sample } : null;
			this.hover.value = null;
			if (!asks && this.asking.peek() !== "input") this.asking.value = "";
			this.#notHere.value = layer.reason
				? `No picture: ${layer.reason}`
				: `${missingName(sample, slice)} isn't ${why}.`;
		});
		if (asks) await this.#ask(layer, sample, slice, mine);
	}

	/**
	 * @param {Layer} layer
	 * @param {number} sample
	 * @param {Slice} slice
	 * @param {object} mine
	 */
	async #ask(layer, sample, slice, mine) {
		const question = { ask: "plate", ...whereOf(layer.key, sample, slice) };
		const { content, buffers } = await /** @type {Kernel} */ (this.kernel).ask(question);
		if (content.plate) layer.plates[plateKey(sample, slice)] = content.plate;
		if (content.image) this.store.contents.images[sample] = content.image;
		this.store.take(content.ids, buffers);
		if (this.#turn !== mine || this.isStopped) return;
		if (content.plate) {
			this.load();
		} else {
			this.#notHere.value = content.error;
			this.asking.value = "";
		}
	}

	stop() {
		this.isStopped = true;
		this.#turn = {};
	}
}

/**
 * @param {number} sample
 * @param {Slice} slice
 */
function missingName(sample, slice) {
	if (slice === null) return `Sample ${sample}`;
	const name = sliceName(slice);
	return `${name[0].toUpperCase()}${name.slice(1)} of sample ${sample}`;
}

/**
 * The order of a layer's planes in the grid: their places, and what they are sorted by.
 *
 * @param {Plate} plate
 * @param {Settings} settings
 */
export function ordered(plate, { topk, sort }) {
	const { channels, mean, absmean, high, std, zeros, nan, order } = plate;
	const places = [...channels.keys()];
	let by = topk && sort === "index" ? "absmean" : sort;
	const similar = order && channels.map((n) => -order.indexOf(n));
	/** @type {Record<string, (number | null)[] | null>} */
	const all = { mean, absmean, max: high, std, sparsity: zeros, similar };
	const ranks = all[by];
	if (ranks) {
		const countsNaN = by === "similar" || by === "sparsity";
		const rank = (/** @type {number} */ i) =>
			(nan[i] && !countsNaN ? null : ranks[i]) ?? Number.NEGATIVE_INFINITY;
		places.sort((a, b) => {
			if (rank(a) === rank(b)) return a - b;
			return rank(a) > rank(b) ? -1 : 1;
		});
	} else {
		by = "index";
	}
	return { by, places: topk ? places.slice(0, topk) : places };
}
