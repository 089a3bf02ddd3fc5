"""Readers of zoos that others publish, one file a layout."""
