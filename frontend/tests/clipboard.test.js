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
