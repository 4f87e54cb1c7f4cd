
// What opens a saved page: the explorer stands in the picture's place once it is there, and where it
// can't be (an old browser, a file that was cut) the picture stays.
{
  const held = (id) => JSON.parse(document.getElementById(id).textContent);
  const decoded = (text) => {
    const letters = atob(text);
    const bytes = new Uint8Array(letters.length);
    for (let place = 0; place < letters.length; place++) bytes[place] = letters.charCodeAt(place);
    return bytes;
  };
  // A layer's picture is decoded when it is looked at: of most layers only some are.
  class Encoded extends Map {
    get(id) {
      return this.has(id) ? decoded(super.get(id)) : undefined;
    }
  }
  const still = document.getElementById("featmagic-still");
  const place = document.getElementById("featmagic-here");
  if ("DecompressionStream" in globalThis) {
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
}
