"""Completion of a magic's line, read without running any of the user's code."""
