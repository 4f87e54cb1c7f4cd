"""Where a test finds the parts of an explorer: by their roles and names, in any browser.

Whoever changes a name or a role in the front end changes it here: the tests in Firefox, those of
accessibility, those of the room there is, and the benchmarks' have no other selectors.
"""

from __future__ import annotations

import re

ROOT = "section.featmagic-explorer"
LAYERS = ':is([role="listbox"], [role="tree"])[aria-label="Layers"]'
CHANNELS = '[role="listbox"][aria-label="Channels"]'
STATUS = f'{ROOT} > [role="status"]'
TILES = f'{CHANNELS} [role="option"]'
LARGE = "canvas.featmagic-large"
PIN = ".featmagic-pin"
DIALOG = f"{ROOT} dialog[aria-label]"

# The keys of the main path.
FIND, HELP, PIN_IT, NEXT_LAYER = "/", "?", "Enter", "]"

# What may be clicked, typed into or chosen from.
CONTROLS = (
    'button, input, select, textarea, summary, a[href], [role="option"], [role="treeitem"],'
    ' [role="tab"], [role="menuitem"], [role="separator"][tabindex], [tabindex="0"]'
)
UNPIN = re.compile("^unpin ")
COLORMAP, ZOOM = "Colou?rs", "Zoom"  # the labels of two settings, as regular expressions


def layer(key: str) -> str:
    """Return the selector of a layer's row."""
    return f'{LAYERS} [data-layer="{key}"]'


def tile(channel: int) -> str:
    """Return the selector of a channel's tile."""
    return f'{TILES}[data-channel="{channel}"]'


# Sets the field of a label, as a person does; hidden fields (a menu's) can be set, too.
SET = """([label, value]) => {
    const root = document.querySelector("section.featmagic-explorer");
    const isIt = new RegExp(`^(${label})$`);
    const fields = [...root.querySelectorAll("input, select")];
    const field = fields.find(one => isIt.test(one.ariaLabel ?? one.labels[0]?.textContent.trim()));
    field.value = value;
    for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
}"""
