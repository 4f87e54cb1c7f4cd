// The panel "kernel × patch": the sum that gives the chosen value of a convolution.

import { effect, signal } from "@preact/signals-core";
import { make, makeButton, write } from "./dom.js";
import { readPatch } from "./kernel_patch.js";
import { makePatchPictures } from "./patch_pictures.js";
import { whereOf } from "./slices.js";

/** @import { Kernel } from "./types" */
/** @import { KernelPatch } from "./kernel_patch.js" */
/** @import { State } from "./state.js" */

const REST = 100; // milliseconds after which a choice that stays is asked about

const ASKING = "waiting for the kernel …";

/**
 * Makes the panel and the button that opens it.
 *
 * @param {State} state
 * @param {string} name - What ids begin with.
 */
export function makePatch(state, name) {
	const id = `${name}Patch`;
	const { tips } = state.store.contents;
	const isOpen = signal(false);
	/** The channel of the input that was chosen; null for the one that contributes most. */
	let source = /** @type {number | null} */ (null);
	/** @type {KernelPatch | null} */
	let shown = null;
	/** What was asked last, and of which plate. @type {[string, unknown?]} */
	let asked = [""];
	/** @type {ReturnType<typeof setTimeout> | undefined} */
	let waiting;

	const button = makeButton("kernel × patch", toggle, tips.patch);
	const field = /** @type {HTMLInputElement} */ (
		make("input", {
			id: `${id}Source`,
			type: "number",
			tip: tips.source,
			oninput: () => field.value && chooseTyped(Number(field.value)),
		})
	);
	const strongest = makeButton("largest", () => choose(null), tips.largest);
	const pictures = makePatchPictures(state, choose);
	const words = make("p", { "aria-live": "polite" });
	const element = make(
		"section.fm-patch",
		{ id, label: "Kernel × patch" },
		make(
			"div.fm-head",
			make("strong", "kernel × patch"),
			make("label", { for: field.id }, "Input channel"),
			field,
			strongest,
		),
		words,
		...pictures.elements,
	);
	button.setAttribute("aria-controls", id);

	function toggle() {
		const { layer } = state;
		if (!layer.convolution || !state.kernel) {
			const none = `${layer.key} isn't a convolution.`;
			state.note.value = layer.convolution ? tips["on page"] : none;
			return;
		}
		const under = state.hover.peek();
		isOpen.value = !isOpen.peek();
		if (isOpen.peek() && under && !state.choice.peek().position) {
			state.choose({ channel: under.channel, position: under.position });
		}
	}

	/** @param {number} channel */
	function chooseTyped(channel) {
		const { min, max } = field;
		if (field.validity.valid) choose(channel);
		else state.note.value = `Input channel ${channel} is out of range: choose ${min} to ${max}.`;
	}

	/** @param {number | null} channel */
	function choose(channel) {
		source = channel;
		update();
	}

	/** Asks for what is chosen, unless it is here or can't be had. */
	function update() {
		const can = state.kernel !== null && state.layer.convolution;
		button.hidden = !can;
		element.hidden = !can || !isOpen.peek();
		button.ariaExpanded = String(!element.hidden);
		const question = element.hidden ? "" : questionNow();
		/** @type {typeof asked} */
		const mine = [JSON.stringify(question), state.shown.peek()?.plate];
		if (mine.every((part, n) => part === asked[n])) return;
		clearTimeout(waiting);
		asked = mine;
		if (typeof question === "string") {
			say(question);
			return;
		}
		element.ariaBusy = "true";
		write(words, ASKING);
		waiting = setTimeout(() => ask(question, mine), REST);
	}

	/** The question for what is chosen; in words, why there is none. */
	function questionNow() {
		const { layer, channel, position } = state.choice.peek();
		const chosen = state.chosen.peek();
		if (!state.isAlive) return tips.gone;
		if (state.missing.peek() && !state.asking.peek()) return state.missing.peek();
		if (!chosen || chosen.layer.key !== layer) return ASKING; // it is being unpacked
		const where = whereOf(layer, chosen.sample, chosen.plate.slice);
		return position ? { ask: "patch", ...where, channel, position, source } : tips.place;
	}

	/**
	 * @param {object} question
	 * @param {typeof asked} mine
	 */
	async function ask(question, mine) {
		const answer = await /** @type {Kernel} */ (state.kernel).ask(question);
		if (asked !== mine || state.isStopped) return;
		const { error } = answer.content;
		if (error && source !== null)
			choose(null); // another layer or group may not have it
		else if (error) say(error);
		else show(readPatch(answer));
	}

	/** @param {KernelPatch} one */
	function show(one) {
		shown = one;
		element.ariaBusy = "false";
		element.classList.remove("fm-nothing");
		field.min = String(one.first);
		field.max = String(one.last);
		field.value = String(one.source);
		strongest.ariaPressed = String(one.source === one.strongest);
		write(words, one.words);
		pictures.draw(one);
	}

	/**
	 * Says why there is no sum.
	 *
	 * @param {string} why
	 */
	function say(why) {
		shown = null;
		element.ariaBusy = String(why === ASKING);
		element.classList.add("fm-nothing");
		write(words, why);
		pictures.forget();
	}

	const stop = effect(() => {
		isOpen.value;
		state.choice.value;
		state.shown.value;
		state.others.value;
		state.missing.value;
		update();
	});

	const stopColors = effect(() => {
		state.settings.value;
		if (shown) pictures.draw(shown);
	});

	return {
		element,
		button,
		toggle,
		isOpen: () => !element.hidden,
		stop() {
			stop();
			stopColors();
			clearTimeout(waiting);
		},
	};
}
