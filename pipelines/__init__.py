"""The world and the composer: wire formats, sources, the store, settings and the command line."""
