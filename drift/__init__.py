"""The science: values in, verdicts out. No clock, no I/O, no environment, no logging, no global randomness."""
