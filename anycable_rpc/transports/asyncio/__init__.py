"""An HTTP/2 and gRPC engine of our own, in Python alone: unary calls, and the health service's Watch."""

from .server import Server

__all__ = ["Server"]
