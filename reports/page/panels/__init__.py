"""The panels of the page's time axis."""
