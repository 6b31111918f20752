"""Descriptions of an app's channels for other languages and tools: AsyncAPI and TypeScript."""

from .asyncapi import asyncapi
from .described import describe
from .typescript import typescript

__all__ = ["asyncapi", "describe", "typescript"]
