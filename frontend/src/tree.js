// The rows of the tree of layers, as the document has them.

/** @import { Contents, Layer } from "./types" */

/**
 * A row: a layer, or the head of a module that has no output of its own.
 *
 * @typedef {object} Row
 * @property {string} id - Distinct from those of all other rows.
 * @property {string} name - Without what the rows above it say.
 * @property {number} level - From 0.
 * @property {Layer | null} layer
 * @property {Layer[]} below - The layers that it folds; none if it folds nothing.
 * @property {string[]} folders - The ids of the rows that fold it.
 */

/**
 * Returns the rows of the layers that are here.
 *
 * @param {Pick<Contents, "tree" | "layers">} contents
 * @returns {Row[]}
 */
export function rowsOf({ tree, layers }) {
	const byKey = new Map(layers.map((layer) => [layer.key, layer]));
	const ids = tree.map(({ layer }, n) => layer ?? `\n${n}`); // no key has a line break
	const layersFrom = (/** @type {number} */ n, /** @type {number} */ end) =>
		tree.slice(n, end).flatMap(({ layer }) => byKey.get(layer ?? "\n") ?? []);
	return tree.flatMap(({ name, level, parent, end }, n) => {
		const folders = [];
		for (let at = parent; at !== null; at = tree[at].parent) folders.push(ids[at]);
		const below = layersFrom(n + 1, end);
		const layer = byKey.get(ids[n]) ?? null;
		const isHere = layer || (tree[n].layer === null && below.length);
		return isHere ? [{ id: ids[n], name, level, layer, below, folders }] : [];
	});
}
