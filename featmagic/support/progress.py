"""A progress bar for work that takes longer than a second."""

from __future__ import annotations

import warnings
from time import monotonic
from typing import Any

from featmagic.support.environment import running_shell

PATIENCE = 1.0  # seconds before a bar appears


class Progress:
    """A progress bar for a `with` block: it appears after a second, and is removed at the end.

    tqdm draws it, and is imported only then: as a widget in a notebook that has ipywidgets, as a
    line of standard error in a terminal. Elsewhere there is no bar, since it would stay in files.

    Args:
        total: the number of steps.
        what: the word before the bar.

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

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._display_id is not None:  # a saved notebook couldn't show the widget
            self._publish({"text/plain": ""}, update=True)

    def step(self) -> None:
        """Count a step as done."""
        self._done += 1
        if self._bar is not None:
            self._bar.update()
        elif monotonic() - self._began >= PATIENCE and self._done < self._total:
            self._open()

    def clear(self) -> None:
        """Make room for other output: in a terminal the bar reappears with the next step."""
        if self._bar is not None:
            self._bar.clear()

    def _open(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tqdm warns if ipywidgets is missing
            from tqdm.auto import tqdm
        kwargs: dict[str, Any] = {"total": self._total, "initial": self._done, "desc": self._what}
        draws_widgets = any(cls.__module__ == "tqdm.notebook" for cls in tqdm.__mro__)
        # As text in a kernel's output the bar would stay in the notebook, between the pictures.
        kwargs |= {"display": False} if draws_widgets else {"disable": None}
        self._bar = tqdm(leave=False, **kwargs)
        if container := getattr(self._bar, "container", None):
            self._display_id = f"featmagic-{id(self)}"
            self._publish(container._repr_mimebundle_())

    def _publish(self, data: dict[str, Any], *, update: bool = False) -> None:
        running_shell().display_pub.publish(
            data=data, transient={"display_id": self._display_id}, update=update
        )
