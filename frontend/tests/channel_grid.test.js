import { expect, test } from "vitest";
import { tilingOf } from "../src/channel_grid.js";
import { plate } from "./helpers.js";

const room = { width: 700, height: 600 };

/**
 * @param {number} side
 * @param {number} count
 * @param {number} [zoom]
 */
const tiling = (side, count, zoom = 0) =>
	tilingOf(plate([[0, 1]], { height: side, width: side }), count, room, zoom);

test("tiles are as large as leaves all of them in sight", () => {
	const { zoom, fits, wide } = tiling(8, 20);
	expect(fits).toBe(true);
	expect(wide).toBe(8 * zoom);
	expect(tiling(8, 20, zoom + 1).fits).toBe(false);
});

test("tiles that never fit are large enough to be told apart", () => {
	const { wide, fits } = tiling(7, 2048);
	expect(fits).toBe(false);
	expect(wide).toBeGreaterThanOrEqual(48);
});

test("a zoom that is asked for is taken", () => {
	expect(tiling(10, 4, 3)).toMatchObject({ zoom: 3, wide: 30, tall: 30 });
});

test("planes larger than the room are reduced in size", () => {
	expect(tiling(2000, 1).wide).toBeLessThanOrEqual(700);
	expect(tiling(2000, 1).columns).toBe(1);
});
