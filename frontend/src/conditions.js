// When a control is there: a row for each condition that a row of the document may name.

/** @import { State } from "./state.js" */

/** @type {Record<string, (state: State) => unknown>} */
const CONDITIONS = {
	samples: ({ layer }) => layer.samples > 1,
	slices: ({ layer }) => layer.slices,
	calls: ({ callsOfLayer }) => callsOfLayer.length > 1,
	inputs: ({ store }) => store.contents.inputs,
	image: ({ store, shown }) => {
		const one = shown.peek();
		const isOver = one?.layer.spatial || one?.layer.attention?.on_input;
		return isOver && store.contents.images[one.sample];
	},
	channels: ({ shown }) => (shown.peek()?.plate.channels.length ?? 0) > 1,
	order: ({ shown }) => shown.peek()?.plate.order,
	pins: ({ pins }) => pins.peek().length,
};

/**
 * Whether a condition is met; one of no name always is.
 *
 * @param {State} state
 * @param {string | undefined} name
 */
export const isMet = (state, name) => !name || Boolean(CONDITIONS[name](state));
