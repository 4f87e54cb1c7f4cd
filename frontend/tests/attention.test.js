import { expect, test } from "vitest";
import { layoutOf, rowOf, tokenName } from "../src/attention.js";
import { plate } from "./helpers.js";

/** A class token and 2 x 3 patches. @type {any} */
const vit = { grid: [2, 3], prefix: ["CLS"], on_input: true, queries: 7, keys: 7 };

/** @type {any} */
const cross = { ...vit, prefix: [], queries: 4, keys: 6 };

/** @type {any} */
const text = { grid: null, prefix: [], on_input: false, queries: 5, keys: 5 };

test("a query's row is that of its head, a byte for each key", () => {
	const own = plate(
		[
			[0, 1],
			[0, 1],
		],
		{ full: [3, 4], height: 3, width: 4 },
	);
	const pixels = Uint8Array.from({ length: 24 }, (_, n) => n);
	const row = (/** @type {number} */ i, /** @type {number} */ query) => [
		...rowOf(own, { pixels, counts: [] }, i, query),
	];
	expect(row(0, 2)).toEqual([8, 9, 10, 11]);
	expect(row(1, 0)).toEqual([12, 13, 14, 15]);
});

test("of a plane that was reduced in size, each key has the mean that it is in", () => {
	const own = plate([[0, 1]], { full: [5, 5], height: 3, width: 3, shrink: 2 });
	const pixels = Uint8Array.from({ length: 9 }, (_, n) => n);
	expect([...rowOf(own, { pixels, counts: [] }, 0, 3)]).toEqual([3, 3, 4, 4, 5]);
	expect([...rowOf(own, { pixels, counts: [] }, 0, 4)]).toEqual([6, 6, 7, 7, 8]);
});

test("keys are drawn on their patches, and else as a strip", () => {
	expect(layoutOf(vit)).toEqual({ rows: 2, columns: 3, before: 1 });
	expect(layoutOf(text)).toEqual({ rows: 1, columns: 5, before: 0 });
});

test("a token is named by its number and by what it stands for", () => {
	expect(tokenName(vit, 0, "query")).toBe("query 0 (CLS)");
	expect(tokenName(vit, 5, "query")).toBe("query 5 (patch 1, 1)");
	expect(tokenName(vit, 6, "key")).toBe("key 6 (patch 1, 2)");
	expect(tokenName(text, 4, "query")).toBe("query 4");
	// Of cross-attention the queries are others than the keys on the patches.
	expect(tokenName(cross, 3, "query")).toBe("query 3");
	expect(tokenName(cross, 3, "key")).toBe("key 3 (patch 1, 0)");
});
