"""Drawing: a mosaic as pixels, text, a matplotlib figure or a MIME bundle."""
