"""The application on a port of this machine, until a signal ends it."""

from __future__ import annotations

import ipaddress
import math
import socket
import sys
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from train.errors import InputError


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens once `serve` has it; raises InputError where host and port are not to be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (socket.gaierror, UnicodeError):
        raise InputError(f"--host {host}: no such host; expected a name or an address of this machine") from None
    bound = socket.socket(family, kind, protocol)
    # A server that has just ended leaves its port waiting.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise InputError(f"--host {host} --port {port}: cannot be listened on: {error.strerror}") from None
    return bound


def serve(app: ASGIApp, bound: socket.socket, *, grace: float) -> None:
    """Serve until SIGINT or SIGTERM; requests at work then have `grace` seconds to end."""
    host, port = bound.getsockname()[:2]
    print(f"http://{f'[{host}]' if ':' in host else host}:{port}/ – Ctrl-C ends it", file=sys.stderr)
    if not ipaddress.ip_address(host).is_loopback:
        print("whoever reaches this address can use it: there is no password, and no encryption", file=sys.stderr)
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(grace),
    )
    with suppress(KeyboardInterrupt):  # raised again by uvicorn when all is done: this is how a server ends
        uvicorn.Server(config).run(sockets=[bound])
