"""Verdicts to people: incidents, routes, channels, and delivery that survives outages."""
