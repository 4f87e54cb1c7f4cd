"""Every display option once, what its values may be, and the defaults of a session."""
