"""RPC over HTTP: anycable-go posts JSON to an ASGI or WSGI app that is mounted in the user's own web app."""

from .asgi import ASGIApp
from .wsgi import WSGIApp

__all__ = ["ASGIApp", "WSGIApp"]
