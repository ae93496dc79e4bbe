"""A real PostgreSQL, Kafka Connect with Debezium, and a shop whose tables they carry to Kafka."""
