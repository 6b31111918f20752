"""The asyncio engine: HTTP/2 and gRPC in pure Python, for unary calls and the health service's Watch."""

from .server import Server, ServerStatistics

__all__ = ["Server", "ServerStatistics"]
