// Globs of layer names: `*` stands for one level, `**` for any number of levels.
// The same rules as in featmagic/recording/globs.py.

/** @typedef {(letter: string) => boolean} Token Takes one letter of a name. */

/** @type {Token} */
const isAny = () => true;
/** @type {Token} */
const isInLevel = (letter) => letter !== ".";

/**
 * Returns what tells whether a text matches the glob, in a time proportional to its length: all
 * states are followed at once, a bit each; state n has matched the first n tokens.
 *
 * @param {string} pattern
 * @returns {(text: string) => boolean}
 */
export function globOf(pattern) {
	const { tokens, inLevel, anywhere, levels } = compiled([...pattern]);
	/** @type {Map<string, bigint>} */
	const known = new Map();

	/** @param {string} letter */
	function takers(letter) {
		let bits = known.get(letter);
		if (bits === undefined) {
			bits = bitsOf(tokens.map((token) => token(letter)));
			known.set(letter, bits);
		}
		return bits;
	}

	return (text) => {
		let [states, skipping] = [1n, 0n];
		for (const letter of text) {
			skipping |= states & levels;
			const stay = letter === "." ? anywhere : anywhere | inLevel;
			states = ((states & takers(letter)) << 1n) | (states & stay);
			if (letter === ".") states |= skipping;
			if (!(states | skipping)) return false;
		}
		return ((states >> BigInt(tokens.length)) & 1n) === 1n;
	};
}

/** @param {boolean[]} flags */
function bitsOf(flags) {
	return flags.reduce((bits, flag, n) => (flag ? bits | (1n << BigInt(n)) : bits), 0n);
}

/**
 * Returns the tokens, and the states that take further letters: of the level, of any level, and
 * whole levels.
 *
 * @param {string[]} letters
 */
function compiled(letters) {
	/** @type {Token[]} */
	const tokens = [];
	let [inLevel, anywhere, levels] = [0n, 0n, 0n];
	const isEdge = (/** @type {string | undefined} */ letter) =>
		letter === undefined || letter === ".";
	for (let at = 0; at < letters.length; at++) {
		const state = 1n << BigInt(tokens.length);
		const letter = letters[at];
		if (letter === "*") {
			const start = at;
			while (letters[at + 1] === "*") at++;
			const isWhole = isEdge(letters[start - 1]) && isEdge(letters[at + 1]);
			if (at === start && isWhole) {
				tokens.push(isInLevel); // no level is empty
				inLevel |= state << 1n;
			} else if (at === start) inLevel |= state;
			else if (!isWhole) anywhere |= state;
			else if (letters[at + 1] === ".") {
				levels |= state; // perhaps none
				at++;
			} else {
				tokens.push(isAny); // a level at least
				anywhere |= state << 1n;
			}
			continue;
		}
		const close = letter === "[" ? endOfSet(letters, at) : 0;
		if (close) {
			tokens.push(setOf(letters.slice(at + 1, close)));
			at = close;
		} else tokens.push(letter === "?" ? isInLevel : (other) => other === letter);
	}
	return { tokens, inLevel, anywhere, levels };
}

/**
 * Returns where the set that opens there is closed, or 0; its first letter closes none.
 *
 * @param {string[]} letters
 * @param {number} at
 */
function endOfSet(letters, at) {
	const first = letters[at + 1] === "!" ? at + 2 : at + 1;
	return Math.max(0, letters.indexOf("]", first + 1));
}

/**
 * @param {string[]} inside - A set without its brackets.
 * @returns {Token}
 */
function setOf(inside) {
	const isNegated = inside[0] === "!";
	const letters = isNegated ? inside.slice(1) : inside;
	/** @type {[string, string][]} */
	const ranges = [];
	for (let at = 0; at < letters.length; at++) {
		const isRange = letters[at + 1] === "-" && at + 2 < letters.length;
		ranges.push([letters[at], letters[isRange ? at + 2 : at]]);
		if (isRange) at += 2;
	}
	return (letter) => {
		const code = /** @type {number} */ (letter.codePointAt(0));
		const isIn = ranges.some(([first, last]) => {
			const [from, to] = [first, last].map((end) => end.codePointAt(0) ?? 0);
			return from <= code && code <= to;
		});
		return letter !== "." && isIn !== isNegated;
	};
}
