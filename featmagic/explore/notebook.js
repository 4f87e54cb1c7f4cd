
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
  if (model.get("_picture")) {
    watcher.observe(document, { childList: true, subtree: true });
    model.on("change:_contents", all);
    all();
  }
  return () => {
    watcher.disconnect();
    places.forEach((end) => end());
    places.clear();
  };
}

export default {
  initialize(widget) {
    live.initialize(widget);
    return standIn(widget.model);
  },
  render: live.render,
};
