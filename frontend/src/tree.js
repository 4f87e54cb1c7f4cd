// The layers as a tree of modules, as rows under each other.

/** @import { Layer } from "./types" */

/**
 * A row: a layer, or the head of a module that has no output of its own.
 *
 * @typedef {object} Row
 * @property {string} id - Distinct from those of all other rows.
 * @property {string} name - Without what the head above it says.
 * @property {number} level - From 1.
 * @property {Layer | null} layer
 * @property {Layer[]} below - The layers that it folds; none if it can't be folded.
 * @property {string[]} folders - The ids of the rows that it is folded by, from the top.
 */

/** @typedef {{name: string, path: string, own: Layer[], children: Map<string, Node>}} Node */

/**
 * Returns a row for each layer and head, modules in the order in which they first returned. A
 * chain of modules with nothing else in them is one row.
 *
 * @param {Layer[]} layers - As they ran.
 * @returns {Row[]}
 */
export function rowsOf(layers) {
	/** @type {Node} */
	const root = { name: "", path: "", own: [], children: new Map() };
	for (const layer of layers) {
		let node = root;
		for (const name of layer.path.split(".")) {
			let child = node.children.get(name);
			if (!child) {
				const path = node.path ? `${node.path}.${name}` : name;
				child = { name, path, own: [], children: new Map() };
				node.children.set(name, child);
			}
			node = child;
		}
		node.own.push(layer);
	}
	/** @type {Row[]} */
	const rows = [];
	for (const node of root.children.values()) add(rows, node, 1, []);
	return rows;
}

/**
 * @param {Row[]} rows
 * @param {Node} node
 * @param {number} level
 * @param {string[]} folders
 */
function add(rows, node, level, folders) {
	let { name } = node;
	let at = node;
	while (!at.own.length && at.children.size === 1) {
		[at] = at.children.values();
		name += `.${at.name}`;
	}
	const { own, path, children } = at;
	const id = own.length ? own[0].key : `\n${path}`; // no key has a line break
	const head = rows.length;
	for (const layer of own) {
		const called = name + layer.key.slice(path.length); // relu:2, lstm[1]
		rows.push({ id: layer.key, name: called, level, layer, below: [], folders });
	}
	if (!children.size) return;
	if (!own.length) rows.push({ id, name, level, layer: null, below: [], folders });
	const first = rows.length;
	for (const child of children.values()) add(rows, child, level + 1, [...folders, id]);
	const below = rows.slice(first).map(({ layer }) => layer);
	rows[head].below = below.filter((layer) => layer !== null);
}
