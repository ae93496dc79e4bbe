"""Cases: what people decide about accused subjects."""
