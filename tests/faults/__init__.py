"""A long run of faults on a real Kafka: `make faults MINUTES=30`."""
