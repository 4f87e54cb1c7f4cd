"""The explorer as a page: one HTML file that runs by itself and fetches nothing."""
