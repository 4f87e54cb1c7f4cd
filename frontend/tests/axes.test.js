import { expect, test } from "vitest";
import { ticksOf } from "../src/axes.js";

test("every place is numbered where there is room", () => {
	expect(ticksOf(5, 500, 40)).toEqual([0, 1, 2, 3, 4]);
});

test("steps are 1, 2 or 5 times a power of ten, and numbers stand far enough apart", () => {
	for (const count of [1, 2, 7, 32, 50, 197, 768, 4096, 100_000]) {
		for (const length of [40, 333, 1000]) {
			const ticks = ticksOf(count, length, 40);
			const step = (ticks[1] ?? count) - ticks[0];
			expect(ticks[0]).toBe(0);
			expect(ticks.at(-1)).toBeLessThan(count);
			if (ticks.length < 2) continue;
			expect((step * length) / count).toBeGreaterThanOrEqual(40);
			expect(String(step)).toMatch(/^[125]0*$/);
		}
	}
});
