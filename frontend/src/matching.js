// Which layers a query means: text in a name or a class, or a glob.

import { globOf } from "./glob.js";

const LONGEST_GLOB = 1000; // letters

/** @import { Layer } from "./types" */

/**
 * Returns what tells whether a layer is meant; several words must all fit, and case doesn't count.
 * The same rules as in featmagic/explorer/finding.py.
 *
 * @param {string} query
 * @returns {(layer: Pick<Layer, "key" | "path" | "kind">) => boolean}
 */
export function matcherOf(query) {
	const tests = query.toLowerCase().split(/\s+/).filter(Boolean).map(testOf);
	return ({ key, path, kind }) =>
		tests.every((test) => [key, path, kind].some((text) => test(text.toLowerCase())));
}

/**
 * @param {string} word
 * @returns {(text: string) => boolean}
 */
function testOf(word) {
	const isText = (/** @type {string} */ text) => text.includes(word);
	if (!/[*?[]/.test(word) || word.length > LONGEST_GLOB) return isText;
	const globs = [word, withDots(word)].map(globOf);
	return (text) => isText(text) || globs.some((glob) => glob(text));
}

/**
 * Returns `layer1[0].*` as `layer1.0.*`, and `layer1[*]` as `layer1.*`.
 *
 * @param {string} word
 */
function withDots(word) {
	const dotted = word.replace(/\[(?:(-?\d{1,18})|(['"])(.*?)\2|(\*+))\]/gsu, ".$1$3$4");
	return dotted.replace(/^\.+|\.+$/g, "");
}
