"""What a cell printed, however many messages it came in."""

from __future__ import annotations


def joined(outputs):
    """The outputs, with each text in one piece: a busy kernel may send it in several.

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
