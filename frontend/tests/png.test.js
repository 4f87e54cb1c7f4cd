import { deflateSync, inflateSync } from "node:zlib";
import { expect, test } from "vitest";
import { unpacked } from "../src/png.js";
import { decoded, fixtures } from "./helpers.js";

/**
 * A file of filtered lines, without what only other readers look at.
 *
 * @param {number} width
 * @param {number} height
 * @param {number[]} lines
 */
function pngOf(width, height, lines) {
	const data = deflateSync(Uint8Array.from(lines));
	const file = Buffer.alloc(8 + 25 + 12 + data.length);
	file.writeUInt32BE(13, 8);
	file.write("IHDR", 12);
	file.writeUInt32BE(width, 16);
	file.writeUInt32BE(height, 20);
	file.writeUInt32BE(data.length, 33);
	file.write("IDAT", 37);
	data.copy(file, 41);
	return new Uint8Array(file);
}

/**
 * The filters that a file's lines have, as its first bytes tell.
 *
 * @param {Uint8Array} png
 */
function filtersOf(png) {
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

test("the files have all filters among them that Pillow uses", () => {
	const files = /** @type {{png: string}[]} */ (Object.values(fixtures.pictures));
	const filters = files.flatMap(({ png }) => filtersOf(decoded(png)));
	expect([...new Set(filters)].sort()).toEqual([0, 1, 2, 4]);
});

test("lines that are differences from the mean of two pixels are read", async () => {
	const lines = [3, 10, 1, 1, 3, 4, 5, 250];
	expect(await unpacked(pngOf(3, 2, lines))).toEqual(Uint8Array.from([10, 6, 4, 9, 12, 2]));
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
