"""Rooms that span processes: messages and their places, histories, what a broker promises, and brokers on Redis, NATS, PostgreSQL."""
