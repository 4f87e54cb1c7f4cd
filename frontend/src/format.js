// Numbers and lists as people read them, and small arithmetic.

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export const within = (value, low, high) => Math.max(low, Math.min(value, high));

/**
 * Whether two values are the same as JSON.
 *
 * @param {unknown} a
 * @param {unknown} b
 */
export const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

/**
 * Joins what there is; empty parts, 0 and false are left out.
 *
 * @param {unknown[]} parts
 * @param {string} [by]
 */
export const joined = (parts, by = ", ") => parts.filter(Boolean).join(by);

/**
 * The lowest and the highest of some numbers, which may be too many for `Math.min(...numbers)`;
 * `[Infinity, -Infinity]` of none.
 *
 * @param {number[]} numbers
 * @returns {[number, number]}
 */
export const rangeOf = (numbers) => [
	numbers.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
	numbers.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY),
];

/**
 * A share from 0 to 1.
 *
 * @param {number} share
 */
export const percent = (share) =>
	share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(share * 100)} %`;

/**
 * A number in a few significant digits; "none" for what is no number.
 *
 * @param {unknown} value
 * @param {number} [digits] - From 1 to 17.
 */
export const short = (value, digits = 4) =>
	typeof value !== "number"
		? "none"
		: String(Number(value.toPrecision(within(digits, 1, 17)))).replace("Infinity", "inf");
