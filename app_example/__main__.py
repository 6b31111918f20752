"""`python -m app_example`: only the chat's page, for a socket that a real anycable-go serves."""

from __future__ import annotations

import socket
from contextlib import suppress

import click
import uvicorn

from .web import app


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True, help="0 takes a free one.")
@click.option(
    "--cable-url",
    default="ws://{host}:8080/cable",
    show_default=True,
    envvar="ANYCABLE_WEBSOCKET_URL",
    show_envvar=True,
    help="Where the socket is; {host} stands for the host in the page's address.",
)
def main(host: str, port: int, cable_url: str) -> None:
    """Serve the chat's page; its socket is served elsewhere."""
    app.state.cable_url = cable_url
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with listen(host, port) as listener, suppress(KeyboardInterrupt):
        click.echo(f"The chat's page is listening on http://{address(listener)}/ (socket: {cable_url})")
        server.run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, or a sentence why not."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise click.ClickException(f"{error.strerror}; choose another --host or --port") from error


def address(listener: socket.socket) -> str:
    """Where it listens, as it stands in a URL."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


main()
