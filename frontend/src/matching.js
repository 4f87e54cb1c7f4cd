// Which layers a query means: text in a name or a class, or a glob.

const STAR = "\n"; // no word has one
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
	const parts = word.match(/\[!?[^\]]+\]|./gsu) ?? [];
	const [first, ...others] = parts.map(patternOf).join("").split(STAR);
	const last = others.pop();
	// What stands between two stars is taken where it comes first, for good: no search goes back.
	const between = others.map((part, n) => `(?=(?<s${n}>.*?${part}))\\k<s${n}>`).join("");
	try {
		const glob = new RegExp(`^${first}${between}${last === undefined ? "" : `.*${last}`}$`, "su");
		return (text) => isText(text) || glob.test(text);
	} catch {
		return isText; // such as [z-a]
	}
}

/** @param {string} part - A set, or one letter. */
function patternOf(part) {
	if (part === "*") return STAR;
	if (part === "?") return ".";
	if (part.length < 3) return part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
	const set = part.slice(1, -1).replace(/[\\^[]/g, "\\$&");
	return `[${set.replace(/^!/, "^")}]`;
}
