"""Benchmarks of our own code beside its libraries: `make bench`."""
