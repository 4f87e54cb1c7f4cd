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
	const [tokens, inLevel, anywhere, levels] = compiled(pattern);
	/** @type {Record<string, bigint>} */
	const takers = {}; // by letter, the states whose next token takes it

	return (text) => {
		let [states, skipping] = [1n, 0n];
		for (const letter of text) {
			takers[letter] ??= tokens.reduceRight(
				(bits, token) => (bits << 1n) | BigInt(token(letter)),
				0n,
			);
			skipping |= states & levels;
			states =
				((states & takers[letter]) << 1n) |
				(states & anywhere) |
				(letter === "." ? skipping : states & inLevel);
		}
		return states >> BigInt(tokens.length) === 1n;
	};
}

// Whole levels, perhaps none; one whole level, or several; a part of a level, or of several; a set,
// which its first letter doesn't close; a letter.
const PARTS = /((?<![^.])\*\*+\.)|((?<![^.])\*+(?![^.]))|(\*+)|\[((?:!.|[^!])[^\]]*)\]|./gsu;

/**
 * Returns the tokens, and the states that take further letters: of the level, of any level, and
 * whole levels.
 *
 * @param {string} pattern
 * @returns {[Token[], bigint, bigint, bigint]}
 */
function compiled(pattern) {
	/** @type {Token[]} */
	const tokens = [];
	let [inLevel, anywhere, levels] = [0n, 0n, 0n];
	for (const [part, anyLevels, whole, stars, inside] of pattern.matchAll(PARTS)) {
		const isOne = part === "*";
		if (whole) tokens.push(isOne ? isInLevel : isAny); // no level is empty
		const state = 1n << BigInt(tokens.length);
		if (anyLevels) levels |= state;
		else if (!whole && !stars) {
			const isLetter = (/** @type {string} */ letter) => letter === part;
			tokens.push(inside ? setOf(inside) : part === "?" ? isInLevel : isLetter);
		} else if (isOne) inLevel |= state;
		else anywhere |= state;
	}
	return [tokens, inLevel, anywhere, levels];
}

/**
 * @param {string} inside - A set without its brackets.
 * @returns {Token}
 */
function setOf(inside) {
	const isNegated = inside[0] === "!";
	const ranges = [...inside.slice(+isNegated).matchAll(/(.)(?:-(.))?/gsu)].map(
		([, first, last = first]) => [first, last].map(codeOf),
	);
	return (letter) => {
		const code = codeOf(letter);
		return letter !== "." && ranges.some(([from, to]) => from <= code && code <= to) !== isNegated;
	};
}

/** @param {string} letter */
function codeOf(letter) {
	return /** @type {number} */ (letter.codePointAt(0));
}
