"""The explorer: layers and channels to click through, in a notebook, a file and a terminal."""
