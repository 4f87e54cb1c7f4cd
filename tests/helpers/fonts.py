"""The fonts of a computer that has only some of those of this one."""

from __future__ import annotations

import sys

from matplotlib import font_manager


def leave_fonts(monkeypatch, keep):
    """Hide all installed fonts but those whose family `keep` accepts, as if they weren't there."""
    entries = [entry for entry in font_manager.fontManager.ttflist if keep(entry.name)]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", entries)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda *args, **kwargs: [])
    for package in ("matplotlib_fontja", "japanize_matplotlib"):
        monkeypatch.setitem(sys.modules, package, None)
