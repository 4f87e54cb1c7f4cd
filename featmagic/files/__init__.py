"""Which files may be written, and how: whole or not at all."""
