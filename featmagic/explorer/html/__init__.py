"""The explorer as one HTML file that runs by itself and fetches nothing."""
