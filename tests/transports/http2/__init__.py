"""The HTTP/2 code of the asyncio engine, on data."""
