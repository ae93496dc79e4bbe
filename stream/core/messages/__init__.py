"""What tasks tell each other on `integrity.evidence.v1`."""
