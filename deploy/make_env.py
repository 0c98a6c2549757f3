"""Prints a .env for docker-compose.yml: every variable of .env.example with a random value of its own."""

import base64
import secrets
import sys
import uuid
from pathlib import Path


def value(name: str) -> str:
    """Return a random value; Kafka's id of a cluster is a UUID in base64 without padding."""
    if name == "KAFKA_CLUSTER_ID":
        return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return secrets.token_urlsafe(24)


for line in (Path(__file__).parents[1] / ".env.example").read_text().splitlines():
    sys.stdout.write(f"{line}{value(line.removesuffix('=')) if line.endswith('=') else ''}\n")
