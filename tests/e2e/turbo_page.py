"""A page of Turbo Streams: the server broadcasts HTML that changes the page. The app needs no channel."""

from __future__ import annotations

import os
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from anycable_rpc import Cable, Connection

PACKAGES = Path(__file__).parent / "js" / "node_modules"
PAGE = """<!doctype html>
<meta name="cable-url" content="{url}">
<title>Turbo</title>
<script type="importmap">
{{"imports": {{
  "@anycable/core": "/modules/@anycable/core/index.js",
  "@anycable/turbo-stream": "/modules/@anycable/turbo-stream/index.js",
  "@anycable/web": "/modules/@anycable/web/index.js",
  "@hotwired/turbo": "/modules/@hotwired/turbo/dist/turbo.es2017-esm.js",
  "nanoevents": "/modules/nanoevents/index.js"
}}}}
</script>
<script type="module">
  import {{ start }} from "@anycable/turbo-stream"
  import {{ createCable }} from "@anycable/web"
  import "@hotwired/turbo"
  start(createCable({{ logLevel: "error" }}))
</script>
{sources}
<ul id="messages"></ul>
<p class="note">one</p>
<p class="note">two</p>
"""


class Visitor(Connection):
    def connect(self) -> None:
        """Let everybody in."""


cable = Cable(Visitor)


async def page(request: Request) -> Response:
    """Return the page, subscribed to the stream in the path; `?forged` spoils the signature."""
    source = cable.turbo_stream_from(("room", request.path_params["room"]))
    if "forged" in request.query_params:
        source = source.replace('"></', '0"></')
    return HTMLResponse(PAGE.format(url=os.environ.get("CABLE_URL", "/cable"), sources=source))


app = Starlette(routes=[Route("/{room}", page), Mount("/modules", StaticFiles(directory=PACKAGES, check_dir=False))])
