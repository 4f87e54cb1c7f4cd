// Run in a page by clipping.py: what of an explorer is cut off, lies on something else, or can't be
// brought into sight. Everything is measured as the browser laid it out, whatever the elements are.

([rootAt, controlsAt]) => {
	const NEAR = 1.5; // CSS pixels that count as none: boxes stand on fractions of a pixel
	const MOST = 12; // of the options of one list, more of which are alike

	const root = document.querySelector(rootAt);
	const dialog = root.querySelector("dialog[open]");
	const all = [...(dialog ?? root).querySelectorAll("*")].filter(isSeen);
	const problems = new Set();

	function isSeen(element) {
		const { width, height } = element.getBoundingClientRect();
		return (
			width > 0 &&
			height > 0 &&
			element.checkVisibility({ visibilityProperty: true, opacityProperty: true })
		);
	}

	/** How a person would name it in a report. */
	function nameOf(element) {
		const role = element.getAttribute("role") ?? element.type ?? element.localName;
		const label =
			element.ariaLabel ||
			element.labels?.[0]?.textContent ||
			element.textContent ||
			element.className;
		const kind = typeof element.className === "string" ? element.className.split(" ")[0] : "";
		return `${role}${kind && `.${kind}`} “${label.trim().replace(/\s+/g, " ").slice(0, 48)}”`;
	}

	/** Whether a tooltip says what is cut off: a browser's own, or the explorer's. */
	function hasTooltip(element, text) {
		const told = element.closest("[title], [data-tip]");
		const said = told && root.contains(told) ? told.title || told.dataset.tip : "";
		return said.includes(text.trim().replace(/(\.\.\.|…)$/, ""));
	}

	const cuts = (overflow) => overflow === "hidden" || overflow === "clip";
	const scrolls = (overflow) => overflow === "auto" || overflow === "scroll";
	const sidesOf = ({ left, top, right, bottom }) => ({ left, top, right, bottom });

	/** The box inside of borders and scrollbars, in which contents are seen. */
	function insideOf(element) {
		const { left, top } = element.getBoundingClientRect();
		const [x, y] = [left + element.clientLeft, top + element.clientTop];
		return { left: x, top: y, right: x + element.clientWidth, bottom: y + element.clientHeight };
	}

	/** The ancestors, up to the root, by which an element can be cut off or scrolled. */
	function* holders(element) {
		let { position } = getComputedStyle(element);
		for (let at = element.parentElement; at && element !== root; at = at.parentElement) {
			if (position === "fixed") return;
			const style = getComputedStyle(at);
			const holds =
				position !== "absolute" || style.position !== "static" || style.transform !== "none";
			if (holds) {
				position = style.position;
				const isPainted = /paint|strict|content/.test(style.contain);
				if (isPainted || style.overflowX !== "visible" || style.overflowY !== "visible")
					yield [at, style, isPainted];
			}
			if (at === root) return;
		}
	}

	/** The box of the words in an element itself; null if it has none. */
	function wordsOf(element) {
		const range = document.createRange();
		let box = null;
		for (const node of element.childNodes) {
			if (node.nodeType !== Node.TEXT_NODE || !node.data.trim()) continue;
			range.selectNodeContents(node);
			const one = range.getBoundingClientRect();
			if (!one.width || !one.height) continue;
			box = box
				? {
						left: Math.min(box.left, one.left),
						top: Math.min(box.top, one.top),
						right: Math.max(box.right, one.right),
						bottom: Math.max(box.bottom, one.bottom),
					}
				: sidesOf(one);
		}
		return box;
	}

	/** Tells what cuts a box off for good. */
	function findCuts(element, box, what) {
		let { left, top, right, bottom } = box;
		for (const [holder, style, isPainted] of holders(element)) {
			const inside = insideOf(holder);
			const { overflowX, overflowY } = style;
			const isShortened =
				style.textOverflow === "ellipsis" && hasTooltip(holder, holder.textContent);
			const beyond = {
				left: inside.left - left - (scrolls(overflowX) ? holder.scrollLeft : 0),
				right: scrolls(overflowX) ? 0 : right - inside.right,
				top: inside.top - top - (scrolls(overflowY) ? holder.scrollTop : 0),
				bottom: scrolls(overflowY) ? 0 : bottom - inside.bottom,
			};
			for (const [side, by] of Object.entries(beyond)) {
				const overflow = /left|right/.test(side) ? overflowX : overflowY;
				if (by <= NEAR || (overflow === "visible" && !isPainted) || isShortened) continue;
				problems.add(
					`${what} of ${nameOf(element)} is cut off by ${Math.round(by)} px at the ${side} of ${nameOf(holder)}`,
				);
			}
			// What scrolls can be brought into its holder: then that has to be seen.
			if (scrolls(overflowX)) [left, right] = [inside.left, inside.right];
			if (scrolls(overflowY)) [top, bottom] = [inside.top, inside.bottom];
			if (cuts(overflowX))
				[left, right] = [Math.max(left, inside.left), Math.min(right, inside.right)];
			if (cuts(overflowY))
				[top, bottom] = [Math.max(top, inside.top), Math.min(bottom, inside.bottom)];
		}
		const room = root.getBoundingClientRect();
		if (element !== root && !dialog && (left < room.left - NEAR || right > room.right + NEAR)) {
			problems.add(`${what} of ${nameOf(element)} sticks out of the explorer's side`);
		}
	}

	/** The part of an element that is seen now; null if it is scrolled out. */
	function seenPart(element, box) {
		let { left, top, right, bottom } = box;
		for (const [holder, style] of holders(element)) {
			const inside = insideOf(holder);
			if (style.overflowX !== "visible")
				[left, right] = [Math.max(left, inside.left), Math.min(right, inside.right)];
			if (style.overflowY !== "visible")
				[top, bottom] = [Math.max(top, inside.top), Math.min(bottom, inside.bottom)];
		}
		return right - left > 2 && bottom - top > 2 ? { left, top, right, bottom } : null;
	}

	const controls = all.filter((element) => element.matches(controlsAt));
	const worded = all.map((element) => [element, wordsOf(element)]).filter(([, box]) => box);
	for (const [element, box] of worded) {
		// What its own box cuts off is counted in 2.
		const { overflowX, overflowY } = getComputedStyle(element);
		const inside = insideOf(element);
		if (overflowX !== "visible") Object.assign(box, { left: inside.left, right: inside.right });
		if (overflowY !== "visible") Object.assign(box, { top: inside.top, bottom: inside.bottom });
	}

	// 1. Nothing with words, and no control, is cut off by what can't be scrolled.
	for (const [element, box] of worded) {
		if (element.localName !== "option") findCuts(element, box, "the text");
	}
	for (const element of controls)
		findCuts(element, sidesOf(element.getBoundingClientRect()), "the box");

	// 2. Words stay in their control, and what hides its overflow has none or a tooltip.
	for (const [element, box] of worded) {
		const control = element.closest("button, summary, [role=tab]");
		if (!control) continue;
		const around = control.getBoundingClientRect();
		const out = Math.max(
			around.left - box.left,
			box.right - around.right,
			around.top - box.top,
			box.bottom - around.bottom,
		);
		if (out > NEAR)
			problems.add(`the text of ${nameOf(control)} sticks out of it by ${Math.round(out)} px`);
	}
	for (const element of all) {
		const { overflowX, overflowY } = getComputedStyle(element);
		const text = element.textContent.trim();
		if (!text || hasTooltip(element, text) || element.matches("select, option, input")) continue;
		for (const [overflow, whole, room, word] of [
			[overflowX, element.scrollWidth, element.clientWidth, "wide"],
			[overflowY, element.scrollHeight, element.clientHeight, "tall"],
		]) {
			if (!cuts(overflow) || whole <= room + 1) continue;
			problems.add(
				`${nameOf(element)} is too ${word} for its box, and no tooltip says it: ${whole} > ${room} px`,
			);
		}
	}
	for (const field of controls) {
		const isTyped = field.localName === "input" && !/range|checkbox|radio|color/.test(field.type);
		if (!isTyped && field.localName !== "select") continue;
		const chosen = isTyped
			? field.value || field.placeholder
			: field.selectedOptions[0]?.textContent;
		if (!chosen || hasTooltip(field, chosen)) continue;
		const clone = field.cloneNode(true);
		clone.removeAttribute("id");
		Object.assign(clone.style, {
			position: "absolute",
			width: "max-content",
			maxWidth: "none",
			minWidth: "0",
			flex: "none",
		});
		clone.style.fieldSizing = isTyped ? "content" : "fixed";
		field.after(clone);
		// A search field keeps room for the cross that clears it, which isn't counted.
		const cross = field.type === "search" ? Number.parseFloat(getComputedStyle(field).fontSize) : 0;
		const wide = clone.offsetWidth + cross;
		clone.remove();
		if (wide <= field.offsetWidth + 1) continue;
		const what = isTyped ? `“${chosen}”` : "its longest choice";
		problems.add(
			`${nameOf(field)} cuts off ${what}, and no tooltip says it: ${wide} > ${field.offsetWidth} px`,
		);
	}

	// 3. No two controls overlap, nor words and a control that they aren't part of.
	const things = [
		...controls.map((element) => [element, sidesOf(element.getBoundingClientRect())]),
		...worded.filter(([element]) => !element.closest(`${controlsAt}, option, [role=tooltip]`)),
	]
		.map(([element, box]) => [element, seenPart(element, box)])
		.filter(([, box]) => box);
	things.forEach(([one, a], n) => {
		for (const [other, b] of things.slice(n + 1)) {
			if (one.contains(other) || other.contains(one)) continue;
			const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
			const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
			if (across <= 2 || down <= 2) continue;
			problems.add(
				`${nameOf(one)} and ${nameOf(other)} overlap by ${Math.round(across)} x ${Math.round(down)} px`,
			);
		}
	});

	// 4. Each control can be brought into sight, and then is what a click there meets.
	const tooltips = root.querySelectorAll("[role=tooltip]"); // they lie on others, for a while
	for (const tooltip of tooltips) tooltip.style.pointerEvents = "none";
	const scrolled = all.filter((element) => element.scrollTop || element.scrollLeft);
	const before = scrolled.map((element) => [element, element.scrollTop, element.scrollLeft]);
	const counts = new Map();
	for (const element of controls) {
		const list = element.parentElement;
		const alike = element.matches("[role=option], [role=treeitem]");
		counts.set(list, (counts.get(list) ?? 0) + 1);
		const isLast = !element.nextElementSibling;
		if (alike && counts.get(list) > MOST && !isLast) continue;
		element.scrollIntoView({ block: "nearest", inline: "nearest", behavior: "instant" });
		const box = seenPart(element, sidesOf(element.getBoundingClientRect()));
		const [wide, tall] = [
			document.documentElement.clientWidth,
			document.documentElement.clientHeight,
		];
		const part = box && {
			left: Math.max(box.left, 0),
			top: Math.max(box.top, 0),
			right: Math.min(box.right, wide),
			bottom: Math.min(box.bottom, tall),
		};
		if (!part || part.right - part.left < 2 || part.bottom - part.top < 2) {
			problems.add(`${nameOf(element)} can't be scrolled into sight`);
			continue;
		}
		const [x, y] = [(part.left + part.right) / 2, (part.top + part.bottom) / 2];
		const met = document.elementFromPoint(x, y);
		if (!met || !(element.contains(met) || met.contains(element))) {
			problems.add(`${nameOf(element)} is under ${met ? nameOf(met) : "nothing"}`);
		}
	}
	for (const tooltip of tooltips) tooltip.style.pointerEvents = "";
	for (const [element, top, left] of before) element.scrollTo({ top, left, behavior: "instant" });

	// 5. The explorer needs no scrolling to the side, wherever it stands.
	const room = root.getBoundingClientRect();
	if (root.scrollWidth > root.clientWidth + 1)
		problems.add(
			`the explorer's contents are ${root.scrollWidth} px wide, the explorer ${root.clientWidth}`,
		);
	for (let at = root.parentElement; at && at !== document.body; at = at.parentElement) {
		const { overflowX } = getComputedStyle(at);
		const inside = insideOf(at);
		if (
			overflowX === "visible" ||
			(room.left >= inside.left - NEAR && room.right <= inside.right + NEAR)
		)
			continue;
		problems.add(
			`the explorer is wider than ${nameOf(at)}: ${Math.round(room.width)} > ${at.clientWidth} px`,
		);
	}
	const { scrollWidth, clientWidth } = document.documentElement;
	if (scrollWidth > clientWidth)
		problems.add(`the page is ${scrollWidth} px wide in a window of ${clientWidth}`);
	return [...problems];
};
