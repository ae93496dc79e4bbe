"""`make run`: a Kafka, a worker, the analysts' console and a simulated market with cheats, shown in the terminal."""
