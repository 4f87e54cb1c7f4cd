"""Errors, text, the environment and progress: what every other package may use."""
