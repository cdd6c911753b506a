"""SVG marks and scales."""
