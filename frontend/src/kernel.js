// The way to the kernel: the widget's model, as questions and answers.

/** @import { Answer, Kernel } from "./types" */

const TRAITS = ["layer", "channel", "sample", "slice", "position", "input", "settings"];
const DOCUMENT = ["_contents", "_bytes", "_alive"];

// Questions of several views reach the same kernel, so their numbers begin at random.
let number = Math.floor(Math.random() * 2 ** 30);

/**
 * Returns the way to the kernel that a widget's model is.
 *
 * @param {import("@anywidget/types").AnyModel<any>} model
 * @returns {Kernel}
 */
export function kernelOf(model) {
	/** @type {Map<number, (answer: Answer) => void>} */
	const waiting = new Map();
	return {
		get: (name) => model.get(name),
		set(name, value) {
			model.set(name, value);
			model.save_changes();
		},
		ask: (message) =>
			new Promise((resolve) => {
				waiting.set(++number, resolve);
				try {
					model.send({ ...message, id: number });
				} catch {
					// The kernel dies: there will be no answer.
				}
			}),
		on(listener) {
			/** @type {[string, (...args: any[]) => void][]} */
			const listeners = [...TRAITS, ...DOCUMENT].map((name) => [
				`change:${name}`,
				() => listener(name),
			]);
			listeners.push([
				"msg:custom",
				(content, buffers) => {
					waiting.get(content.answer)?.({ content, buffers });
					waiting.delete(content.answer);
				},
			]);
			for (const [name, hear] of listeners) model.on(/** @type {any} */ (name), hear);
			return () => {
				for (const [name, hear] of listeners) model.off(/** @type {any} */ (name), hear);
			};
		},
	};
}
