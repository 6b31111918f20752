"""The example chat: `chat.py` is what runs behind the sockets, `web.py` serves the page."""
