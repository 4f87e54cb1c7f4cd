"""What a pass gave: hooks on, passes in, hooks off."""
