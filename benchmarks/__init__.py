"""What our own code costs, beside what it stands on: `make bench`."""
