// What opens a saved page: the explorer stands in the picture's place once it is there, and where it
// can't be (an old browser, a file that was cut) the picture stays.

import { mount } from "./explorer.js";

/** @param {string} id */
const held = (id) => JSON.parse(document.getElementById(id)?.textContent ?? "");

/** @param {string} text */
const decoded = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

/** Pictures that are decoded when they are looked at: of most layers only some are. */
class Encoded extends Map {
	/** @param {string} id */
	get(id) {
		return this.has(id) ? decoded(super.get(id)) : undefined;
	}
}

/** Opens the explorer of a saved page, if the document is one. */
export function openPage() {
	const still = document.getElementById("featmagic-still");
	const place = document.getElementById("featmagic-here");
	if (!still || !place || !("DecompressionStream" in globalThis)) return;
	const contents = held("featmagic-contents");
	const bytes = new Encoded(Object.entries(held("featmagic-bytes")));
	still.hidden = true;
	try {
		mount(place, contents, bytes);
	} catch (error) {
		place.replaceChildren();
		still.hidden = false;
		throw error;
	}
}
