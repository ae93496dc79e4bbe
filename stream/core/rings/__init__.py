"""Rings: sellers that one broker serves, tied by staff or by links."""
