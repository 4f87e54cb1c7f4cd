import { expect, test } from "vitest";
import { codeOf } from "../src/clipboard.js";
import { layer, plate } from "./helpers.js";

const maps = { maps: "feature_maps" };

test("the code reaches the plane by what all of it shares", () => {
	const reach = { shape: [1, 6, 2, 3], steps: [0, 6, 3, 1] };
	const own = plate([[0, 1]], { reach });
	expect(codeOf(maps, layer("conv1", {}), own, 4)).toBe('feature_maps["conv1"][0, 4]');
});

test("axes behind the channel keep their place in the code", () => {
	const reach = { shape: [1, 2, 3, 6], steps: [0, 1, 18, 6] };
	const own = plate([[0, 1]], { reach });
	expect(codeOf(maps, layer("blocks.0", {}), own, 4)).toBe('feature_maps["blocks.0"][0, :, :, 4]');
});

test("where no index reaches it, the code is that of the layer", () => {
	expect(codeOf(maps, layer("conv1", {}), plate([[0, 1]]), 4)).toBe('feature_maps["conv1"]');
	expect(codeOf(maps, layer("conv1", {}), undefined, 4)).toBe('feature_maps["conv1"]');
});

test("the code of single values in rows reaches all of them, though the last row isn't full", () => {
	const reach = { shape: [4, 300], steps: [300, 0, 18, 1] };
	const axes = { down: "", across: "", fold: "unit", row: 18, count: 300, numbers: null };
	const own = plate([[0, 1]], { reach, full: [17, 18] });
	expect(codeOf(maps, layer("fc", {}, { axes }), own, 0)).toBe('feature_maps["fc"][1]');
});
