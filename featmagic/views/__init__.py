"""What all views have in common, and how feature maps show themselves."""
