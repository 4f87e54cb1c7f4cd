import { expect, test } from "vitest";
import { rowsOf } from "../src/tree.js";
import { layer } from "./helpers.js";

const layers = ["a", "a.conv", "b.conv", "b.relu"].map((key) => layer(key, {}));
const tree = [
	{ name: "a", level: 0, layer: "a", parent: null, end: 2 },
	{ name: "conv", level: 1, layer: "a.conv", parent: 0, end: 2 },
	{ name: "b", level: 0, layer: null, parent: null, end: 5 },
	{ name: "conv", level: 1, layer: "b.conv", parent: 2, end: 4 },
	{ name: "relu", level: 1, layer: "b.relu", parent: 2, end: 5 },
];

test("a row knows its layer, what folds it, and what it folds", () => {
	const rows = rowsOf({ tree, layers });
	expect(rows.map(({ layer: of }) => of?.key)).toEqual(tree.map((row) => row.layer ?? undefined));
	expect(rows.map(({ below }) => below.map(({ key }) => key))).toEqual([
		["a.conv"],
		[],
		["b.conv", "b.relu"],
		[],
		[],
	]);
	expect(rows[1].folders).toEqual([rows[0].id]);
	expect(rows[3].folders).toEqual([rows[2].id]);
	expect(new Set(rows.map(({ id }) => id)).size).toBe(5);
});

test("rows of layers that aren't here are left out, and headers with nothing below them", () => {
	const rows = rowsOf({ tree, layers: layers.slice(0, 2) });
	expect(rows.map(({ id }) => id)).toEqual(["a", "a.conv"]);
});
