import { expect, test } from "vitest";
import { unpacked } from "../src/png.js";
import { decoded, fixtures } from "./helpers.js";

/**
 * The filters that a file's lines have, as its first bytes tell.
 *
 * @param {Uint8Array} png
 */
async function filtersOf(png) {
	const { inflateSync } = await import("node:zlib");
	const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
	const [width, height] = [view.getUint32(16), view.getUint32(20)];
	const parts = [];
	for (let at = 8, size = 0; at < png.length; at += 12 + size) {
		size = view.getUint32(at);
		const name = String.fromCharCode(...png.subarray(at + 4, at + 8));
		if (name === "IDAT") parts.push(png.subarray(at + 8, at + 8 + size));
	}
	const lines = inflateSync(Buffer.concat(parts));
	return Array.from({ length: height }, (_, y) => lines[y * (width + 1)]);
}

for (const [what, { png, pixels }] of Object.entries(fixtures.pictures)) {
	test(`the pixels of a file of Pillow's are read: ${what}`, async () => {
		expect(await unpacked(decoded(png))).toEqual(decoded(pixels));
	});
}

test("the files have every filter among them", async () => {
	const files = /** @type {{png: string}[]} */ (Object.values(fixtures.pictures));
	const filters = await Promise.all(files.map(({ png }) => filtersOf(decoded(png))));
	expect([...new Set(filters.flat())].sort()).toEqual([0, 1, 2, 3, 4]);
});

test("bytes in the middle of a larger buffer are read", async () => {
	const { png, pixels } = fixtures.pictures.waves;
	const file = decoded(png);
	const larger = new Uint8Array(file.length + 20);
	larger.set(file, 13);
	expect(await unpacked(new DataView(larger.buffer, 13, file.length))).toEqual(decoded(pixels));
});

test("a file that was cut off is refused", async () => {
	const file = decoded(fixtures.pictures.noise.png);
	await expect(unpacked(file.slice(0, 200))).rejects.toThrow();
});
