import { expect, test } from "vitest";
import { productOf, readPatch } from "../src/kernel_patch.js";

/**
 * An answer of the kernel, whose numbers begin anywhere in their buffer, as those of messages do.
 *
 * @param {number[]} numbers
 * @param {number[]} colors
 * @param {object} content
 */
function answerOf(numbers, colors, content) {
	const doubles = new Uint8Array(new Float64Array(numbers).buffer);
	const bytes = Uint8Array.from([9, 9, 9, ...doubles, ...colors, 9]);
	return {
		content: { first: 4, last: 5, padding: [1, 0], rows: ["7, "], columns: [-1, 0], ...content },
		buffers: [new DataView(bytes.buffer, 3, doubles.length + colors.length)],
	};
}

const NUMBERS = [0.5, -0.25, 0, 2, 3, -0.125, 0, -0.25];

test("sums, pictures and colors are read from one buffer, wherever it begins", () => {
	const one = readPatch(answerOf(NUMBERS, [1, 2, 3, 4, 5, 6], { words: "a sum" }));
	expect([...one.sums]).toEqual([0.5, -0.25]);
	expect(one.factors.map((values) => [...values])).toEqual([
		[0, 2],
		[3, -0.125],
		[0, -0.25],
	]);
	expect(one.colors.map((values) => [...values])).toEqual([
		[1, 2],
		[3, 4],
		[5, 6],
	]);
	expect(one.words).toBe("a sum");
});

test("a product is told with its place in the input, or as padding", () => {
	const one = readPatch(answerOf(NUMBERS, [], {}));
	expect(productOf(one, 0, 0)).toBe("padding at (7, -1): 0 × 3 = 0");
	expect(productOf(one, 0, 1)).toBe("input at (7, 0): 2 × -0.125 = -0.25");
});

test("what is not finite is told as it is", () => {
	const numbers = [
		0,
		0,
		Number.NaN,
		Number.NEGATIVE_INFINITY,
		1,
		1,
		Number.NaN,
		Number.POSITIVE_INFINITY,
	];
	const one = readPatch(answerOf(numbers, [], {}));
	expect(productOf(one, 0, 0)).toContain("NaN × 1 = NaN");
	expect(productOf(one, 0, 1)).toContain("-inf × 1 = inf");
});
