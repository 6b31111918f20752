"""The engine of our own before the other implementations of HTTP/2 and gRPC."""
