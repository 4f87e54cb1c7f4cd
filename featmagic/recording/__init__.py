"""What a pass gives: hooks on, values out to a sink, hooks off."""
