"""What everything may use: errors, text, the environment, progress."""
