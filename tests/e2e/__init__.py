"""Real servers, real clients and a real browser around the example chat."""
