"""What all tasks know together, concluded by the day, and from when on it counts."""
