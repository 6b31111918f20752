"""The asyncio engine against other implementations of HTTP/2 and gRPC."""
