"""A bar for drawing that takes its time; nothing at all for drawing that doesn't."""

from __future__ import annotations

import warnings
from time import monotonic
from types import TracebackType
from typing import Any, Literal

from featmagic.support.environment import running_shell

PATIENCE = 1.0  # seconds without a bar


class Progress:
    """For one `with` block: a bar that comes when a second has passed, and goes at the end.

    tqdm draws it, and is imported no earlier: a widget in a notebook, if ipywidgets is there, and
    a line on a terminal's standard error output. Elsewhere there is none: it would stay in files.

    Example:
        >>> with Progress(3, "Drawing") as progress:
        ...     for _ in range(3):
        ...         progress.step()
    """

    def __init__(self, total: int, what: str) -> None:
        self._total, self._what = total, what
        self._done, self._began = 0, monotonic()
        self._bar: Any = None
        self._display_id: str | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> Literal[False]:
        if self._bar is not None:
            self._bar.close()
            self._empty()
        return False

    def step(self) -> None:
        """One of the steps is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()
        elif monotonic() - self._began >= PATIENCE and self._done < self._total:
            self._open()

    def clear(self) -> None:
        """Make room for other output: a bar in a terminal comes back with the next step."""
        if self._bar is not None:
            self._bar.clear()

    def _open(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tqdm's, that ipywidgets isn't there
            from tqdm.auto import tqdm
        kwargs: dict[str, Any] = {"total": self._total, "initial": self._done, "desc": self._what}
        # Text in a kernel's output would stand between the pictures, and stay in the notebook.
        kwargs |= {"display": False} if _draws_widgets(tqdm) else {"disable": None}
        self._bar = tqdm(leave=False, **kwargs)
        if container := getattr(self._bar, "container", None):
            self._display_id = f"featmagic-{id(self)}"
            self._publish(container._repr_mimebundle_())

    def _empty(self) -> None:
        """Leave nothing of the widget: a saved notebook couldn't show it any more."""
        if self._display_id is not None:
            self._publish({"text/plain": ""}, update=True)

    def _publish(self, data: dict[str, Any], *, update: bool = False) -> None:
        running_shell().display_pub.publish(
            data=data, transient={"display_id": self._display_id}, update=update
        )


def _draws_widgets(kind: type) -> bool:
    return any(cls.__module__ == "tqdm.notebook" for cls in kind.__mro__)
