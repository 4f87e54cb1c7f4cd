import { expect, test } from "vitest";
import { rowsOf } from "../src/tree.js";
import { layer } from "./helpers.js";

/** @param {string[]} keys - Paths, perhaps with a call or a part behind. */
const layersOf = (keys) => keys.map((key) => layer(key, {}, { path: key.replace(/[:[].*/, "") }));

/** @param {string[]} keys */
const listed = (keys) =>
	rowsOf(layersOf(keys)).map(({ name, level, layer: of, below }) =>
		[level, name, of?.key ?? "-", below.length].join(" "),
	);

test("layers stand under the modules that they are in", () => {
	expect(listed(["stem", "a.conv", "a.relu", "a.relu:2"])).toEqual([
		"1 stem stem 0",
		"1 a - 3",
		"2 conv a.conv 0",
		"2 relu a.relu 0",
		"2 relu:2 a.relu:2 0",
	]);
});

test("a block's own output stands above its layers, and folds them", () => {
	expect(listed(["block.conv", "block.sub.relu", "block.sub.norm", "block"])).toEqual([
		"1 block block 3",
		"2 conv block.conv 0",
		"2 sub - 2",
		"3 relu block.sub.relu 0",
		"3 norm block.sub.norm 0",
	]);
});

test("a chain of modules with nothing else in them is one row", () => {
	expect(listed(["a.b.c.conv", "a.b.c.relu", "d.e.f"])).toEqual([
		"1 a.b.c - 2",
		"2 conv a.b.c.conv 0",
		"2 relu a.b.c.relu 0",
		"1 d.e.f d.e.f 0",
	]);
});

test("modules stand in the order in which they first returned, and every layer has one row", () => {
	const keys = ["b.x", "a.x", "b.y", "lstm[0]", "lstm[1][0]"];
	expect(listed(keys)).toEqual([
		"1 b - 2",
		"2 x b.x 0",
		"2 y b.y 0",
		"1 a.x a.x 0",
		"1 lstm[0] lstm[0] 0",
		"1 lstm[1][0] lstm[1][0] 0",
	]);
});

test("a row knows what folds it", () => {
	const rows = rowsOf(layersOf(["a.b.c", "a.b.d", "a.b", "a.e"]));
	const [a, b, c] = ["a", "b", "c"].map((name) => rows.find((row) => row.name === name));
	expect(c?.folders).toEqual([a?.id, b?.id]);
	expect(new Set(rows.map(({ id }) => id)).size).toBe(rows.length);
});
