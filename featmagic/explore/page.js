
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
  const still = document.getElementById("featmagic-still");
  const place = document.getElementById("featmagic-here");
  if ("DecompressionStream" in globalThis) {
    const contents = held("featmagic-contents");
    const bytes = new Map(
      Object.entries(held("featmagic-bytes")).map(([id, text]) => [id, decoded(text)]),
    );
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
