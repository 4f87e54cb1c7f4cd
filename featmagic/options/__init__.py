"""Every display option, the values it takes, and the defaults of a session."""
