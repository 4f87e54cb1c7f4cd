// What views of the same document share: the document, and the pictures that were unpacked of it.

import { unpacked } from "./png.js";

/** @import { Coding, Contents, Layer, Picture } from "./types" */

const MOST_PICTURES = 40;

/**
 * What is told when something has arrived: the layers that changed; none if there are only more
 * pictures; undefined if only the news changed.
 *
 * @callback Listener
 * @param {Layer[] | undefined} changed
 */

export class Store {
	/** @type {Set<Listener>} */
	listeners = new Set();

	/** What the kernel is doing, or what went wrong. */
	news = "";

	/** Whether the model runs. */
	isBusy = false;

	/** @type {Contents} */
	contents;

	/** @type {Coding} */
	coding;

	/** @type {Map<string, DataView | Uint8Array>} */
	bytes = new Map();

	// The one used longest ago first.
	/** @type {Map<string, unknown>} */
	#pictures = new Map();

	/** @type {Record<string, Uint32Array>} */
	#tables = {};

	/**
	 * @param {Contents} contents
	 * @param {Map<string, Uint8Array> | Record<string, DataView> | undefined} bytes - By the ids in
	 *   the contents.
	 */
	constructor(contents, bytes) {
		this.contents = contents;
		this.coding = codingOf(contents);
		this.fill(contents, bytes);
	}

	/**
	 * Replaces everything.
	 *
	 * @param {Contents} contents
	 * @param {Map<string, Uint8Array> | Record<string, DataView> | undefined} bytes
	 */
	fill(contents, bytes) {
		this.contents = contents;
		this.coding = codingOf(contents);
		this.bytes = bytes instanceof Map ? bytes : new Map(Object.entries(bytes ?? {}));
		this.#pictures = new Map();
		this.#tables = {};
	}

	/**
	 * Returns the color of each byte in a colormap, as canvases have it.
	 *
	 * @param {string} cmap
	 */
	table(cmap) {
		this.#tables[cmap] ??= tableOf(this.contents, cmap);
		return this.#tables[cmap];
	}

	/**
	 * Returns a layer's picture; null if it can't be unpacked, undefined if it isn't here.
	 *
	 * @param {string} id
	 * @returns {Promise<Picture | null | undefined>}
	 */
	async picture(id) {
		return this.#remembered(id, async (data) => ({ pixels: await unpacked(data), counts: [] }));
	}

	/**
	 * Returns an input image.
	 *
	 * @param {string} id
	 * @returns {Promise<ImageBitmap | null | undefined>}
	 */
	async photo(id) {
		return this.#remembered(id, (data) =>
			createImageBitmap(new Blob([/** @type {Uint8Array<ArrayBuffer>} */ (data)])),
		);
	}

	/**
	 * @template T
	 * @param {string} id
	 * @param {(data: DataView | Uint8Array) => Promise<T>} unpack
	 * @returns {Promise<T | null | undefined>}
	 */
	#remembered(id, unpack) {
		let picture = this.#pictures.get(id);
		const data = picture ? undefined : this.bytes.get(id);
		if (data) picture = unpack(data).catch(() => null);
		this.#pictures.delete(id);
		if (picture) this.#pictures.set(id, picture);
		if (this.#pictures.size > MOST_PICTURES) {
			this.#pictures.delete(/** @type {string} */ (this.#pictures.keys().next().value));
		}
		return /** @type {Promise<T | null | undefined>} */ (picture);
	}

	/**
	 * Adds files that have arrived.
	 *
	 * @param {string[]} [ids]
	 * @param {(DataView | Uint8Array)[]} [buffers]
	 */
	take(ids = [], buffers = []) {
		ids.forEach((id, i) => {
			this.#pictures.delete(id);
			this.bytes.set(id, buffers[i]);
		});
	}

	/**
	 * Takes a message of the kernel that answers no question.
	 *
	 * @param {any} content
	 * @param {DataView[]} buffers
	 */
	hear(content, buffers) {
		const { busy, changed, images, input, ids, error } = content;
		if (busy !== undefined) this.isBusy = busy;
		if (busy !== undefined) this.news = busy ? "running the model …" : error;
		if (changed) {
			const news = Object.fromEntries(
				changed.map((/** @type {Layer} */ layer) => [layer.key, layer]),
			);
			const isOther = input !== undefined && input !== this.contents.input;
			const layers = this.contents.layers.map((layer) => {
				// Of another input, only the planes that travel are known to be the same.
				const { [layer.first]: first } = layer.plates;
				const plates = isOther && first ? { [layer.first]: first } : layer.plates;
				return { ...layer, plates, ...news[layer.key] };
			});
			this.contents = { ...this.contents, layers, images: images ?? this.contents.images };
			if (input !== undefined) this.contents.input = input;
			this.take(ids, buffers);
		}
		if (changed || busy !== undefined) this.tell(changed);
	}

	/** @type {Listener} */
	tell(changed) {
		for (const listener of this.listeners) listener(changed);
	}
}

/**
 * @param {Contents} contents
 * @returns {Coding}
 */
const codingOf = ({ levels, codes }) => ({ levels, last: levels - 1, codes });

/**
 * @param {Contents} contents
 * @param {string} cmap
 */
function tableOf({ cmaps, special, levels, codes }, cmap) {
	const pack = (/** @type {ArrayLike<number>} */ rgb) =>
		(255 << 24) | (rgb[2] << 16) | (rgb[1] << 8) | rgb[0];
	const rgb = Uint8Array.from(atob(cmaps[cmap]), (letter) => letter.charCodeAt(0));
	const table = new Uint32Array(256).fill(pack(special.gap));
	for (let i = 0; i < levels; i++) table[i] = pack(rgb.subarray(3 * i));
	for (const [what, code] of Object.entries(codes)) table[code] = pack(special[what]);
	return table;
}
