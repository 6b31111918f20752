"""The example chat: `chat.py` runs behind the WebSockets, `web.py` serves the page."""
