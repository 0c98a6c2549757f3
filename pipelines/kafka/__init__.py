"""The roles of a distributed installation, joined by Kafka; docs/kafka.md is their contract."""
