// PNG files of planes, unpacked by hand: what is read back from a canvas may hold the noise of a
// browser's privacy setting.

const IDAT = 0x49444154;
const SUB = 1; // the difference from the pixel on the left
const UP = 2; // the difference from the pixel above

/**
 * Returns the pixels of an 8-bit gray PNG whose lines have the filters none, Sub or Up.
 *
 * @param {DataView | Uint8Array} data
 * @returns {Promise<Uint8Array>}
 */
export async function unpacked(data) {
	const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
	const stream = new Blob(dataOf(view)).stream().pipeThrough(new DecompressionStream("deflate"));
	const lines = new Uint8Array(await new Response(stream).arrayBuffer());
	const width = view.getUint32(16);
	const pixels = new Uint8Array(width * view.getUint32(20));
	for (let to = 0, from = 1; to < pixels.length; to += width, from += width + 1) {
		const filter = lines[from - 1];
		const end = to + width;
		pixels.set(lines.subarray(from, from + width), to);
		if (filter === SUB) for (let x = to + 1; x < end; x++) pixels[x] += pixels[x - 1];
		if (filter === UP && to) for (let x = to; x < end; x++) pixels[x] += pixels[x - width];
	}
	return pixels;
}

/**
 * @param {DataView} view
 * @returns {Uint8Array<ArrayBuffer>[]}
 */
function dataOf(view) {
	const parts = [];
	const buffer = /** @type {ArrayBuffer} */ (view.buffer);
	for (let at = 8, size = 0; at < view.byteLength; at += 12 + size) {
		size = view.getUint32(at);
		if (view.getUint32(at + 4) === IDAT) {
			parts.push(new Uint8Array(buffer, view.byteOffset + at + 8, size));
		}
	}
	return parts;
}
