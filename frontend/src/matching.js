// Which layers a query means: text in a name or a class, or a glob.

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
	if (!/[*?[]/.test(word)) return (text) => text.includes(word);
	const parts = word.match(/\[!?[^\]]+\]|./gsu) ?? [];
	const pattern = parts.map((part) => {
		if (part === "*") return ".*";
		if (part === "?") return ".";
		if (part.length > 2 && part[0] === "[") {
			const set = part.slice(1, -1).replace(/[\\^[]/g, "\\$&");
			return `[${set.replace(/^!/, "^")}]`;
		}
		return part.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
	});
	try {
		const regex = new RegExp(`^${pattern.join("")}$`, "s");
		return (text) => regex.test(text) || text.includes(word);
	} catch {
		return (text) => text.includes(word); // such as [z-a]
	}
}
