"""Completion of a magic's line, without running any of the user's code."""
