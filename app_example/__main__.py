"""`python -m app_example`: the chat's page alone, when a real anycable-go serves its WebSocket."""

from __future__ import annotations

import socket
from contextlib import suppress

import click
import uvicorn

from .web import app


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=3000, show_default=True, help="0 takes a free port.")
@click.option(
    "--cable-url",
    default="ws://{host}:8080/cable",
    show_default=True,
    envvar="ANYCABLE_WEBSOCKET_URL",
    show_envvar=True,
    help="The address of the WebSocket; {host} stands for the host in the page's address.",
)
def main(host: str, port: int, cable_url: str) -> None:
    """Serve the chat's page; another program serves its WebSocket."""
    app.state.cable_url = cable_url
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    with listen(host, port) as listener, suppress(KeyboardInterrupt):
        click.echo(f"The chat's page is listening on http://{address(listener)}/ (socket: {cable_url})")
        server.run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Listen on the address.

    Raises:
        ClickException: the system refused the address.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise click.ClickException(f"{error.strerror}; choose another --host or --port") from error


def address(listener: socket.socket) -> str:
    """Return host and port of the listener as a URL has them."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


main()
