// PNG files of planes, unpacked by hand: what is read back from a canvas may hold the noise of a
// browser's privacy setting.

const IDAT = 0x49444154;
// The filters of a line: the pixel is the difference from another, or from a mean or a guess.
const [SUB, UP, AVERAGE, PAETH] = [1, 2, 3, 4];

/**
 * Returns the pixels of an 8-bit gray PNG that isn't interlaced.
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
		pixels.set(lines.subarray(from, from + width), to);
		unfilter(pixels, to, width, lines[from - 1]);
	}
	return pixels;
}

/**
 * Adds to the pixels of a line what its filter has subtracted, by the PNG specification (section 9).
 *
 * @param {Uint8Array} pixels
 * @param {number} start
 * @param {number} width
 * @param {number} filter
 */
function unfilter(pixels, start, width, filter) {
	const end = start + width;
	if (filter === SUB) for (let at = start + 1; at < end; at++) pixels[at] += pixels[at - 1];
	if (filter === UP && start) for (let at = start; at < end; at++) pixels[at] += pixels[at - width];
	if (filter !== AVERAGE && filter !== PAETH) return;
	for (let at = start; at < end; at++) {
		const left = at > start ? pixels[at - 1] : 0;
		const above = start ? pixels[at - width] : 0;
		const corner = at > start && start ? pixels[at - width - 1] : 0;
		pixels[at] += filter === AVERAGE ? (left + above) >> 1 : paeth(left, above, corner);
	}
}

/**
 * Returns the one of three pixels that is nearest to `left + above - corner`.
 *
 * @param {number} left
 * @param {number} above
 * @param {number} corner
 */
function paeth(left, above, corner) {
	const guess = left + above - corner;
	const [a, b, c] = [left, above, corner].map((pixel) => Math.abs(guess - pixel));
	if (a <= b && a <= c) return left;
	return b <= c ? above : corner;
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
