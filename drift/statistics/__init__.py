"""Small pure pieces of mathematics that windows and detectors share."""
