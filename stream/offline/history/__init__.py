"""A marketplace's own tables as events: `volteface convert`."""
