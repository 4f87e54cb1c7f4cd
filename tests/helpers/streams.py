"""Printed text, joined across messages."""

from __future__ import annotations


def joined(outputs):
    """Return the outputs with printed text joined: a busy kernel may send it in several messages.

    JupyterLab and Notebook join them too.
    """
    found = []
    for output in outputs:
        before = found[-1] if found else None
        both_printed = before and output.output_type == before.output_type == "stream"
        if both_printed and output.name == before.name:
            before.text += output.text
        else:
            found.append(output)
    return found
