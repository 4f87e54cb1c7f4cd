"""Documents become pixels, text, a Figure, a MIME bundle: a mosaic as a reader sees it."""
