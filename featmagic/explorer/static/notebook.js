
// ---- in JupyterLab and Notebook ------------------------------------------------------------------

// Their outputs hold the picture alone, so that a saved notebook never has an empty box in it: a
// widget view whose kernel is gone is drawn before any picture beside it. While the widget lives,
// the explorer stands in the picture's place, wherever the picture is shown.
function standIn(model) {
  const selector = `img[src$="${model.get("_picture")}"]`, places = new Map();
  const take = (image) => {
    if (places.has(image) || !model.get("_contents").layers) return;
    const box = document.createElement("div");
    image.before(box);
    try {
      const end = live.render({ model, el: box });
      image.hidden = true;
      image.style.setProperty("display", "none", "important");
      places.set(image, () => (end?.(), box.remove(), image.hidden = false, image.style.removeProperty("display")));
    } catch (error) {
      box.remove(); // the picture stays
      console.error(error);
    }
  };
  const look = (node) => {
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    if (node.matches(selector)) take(node);
    node.querySelectorAll(selector).forEach(take);
  };
  // A cell that is scrolled out of sight leaves the page whole; an output that is cleared, alone.
  const forget = () => places.forEach((end, image) => {
    if (!image.isConnected && !image.closest(".jp-OutputArea")) places.delete(image), end();
  });
  const watcher = new MutationObserver((records) => {
    for (const { addedNodes } of records) addedNodes.forEach(look);
    if (records.some((record) => record.removedNodes.length)) forget();
  });
  const all = () => look(document.documentElement);
  const stop = () => {
    watcher.disconnect();
    places.forEach((end) => end());
    places.clear();
  };
  if (model.get("_picture") && model.get("_alive")) {
    watcher.observe(document, { childList: true, subtree: true });
    model.on("change:_contents", all);
    model.on("change:_alive", stop); // it was closed
    all();
  }
  return stop;
}

export default {
  initialize({ model }) {
    live.initialize({ model });
    // What comes later is part of the state that a notebook may be saved with. Not by set(), which
    // would send it all back to the kernel.
    model.on("msg:custom", ({ changed, ids }, buffers) => {
      if (changed?.length === 0) ids.forEach((id, i) => { model.get("_bytes")[id] = buffers[i]; });
    });
    return standIn(model);
  },
  render: live.render,
};
