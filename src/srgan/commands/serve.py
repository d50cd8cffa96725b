"""``srgan serve``: a page to work in, for a browser on this machine.

    srgan serve                       prints the page's address and opens it
    srgan serve ckpt=mine.safetensors port=8008 open=false

Only this machine is answered, and only who knows the token in the address.
"""

import secrets
import signal
import socket
import sys
import tempfile
import threading
import warnings
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from srgan.commands.command_line import command_line
from srgan.system.memory import keep_few_kernels

_CANNOT_RUN = 2
_HOST = "127.0.0.1"
_OWN = ("ckpt", "blend_with", "device", "port", "open", "max_bytes", "max_pixels", "max_tasks")
_USAGE = "srgan serve [ckpt=srgan] [port=8008] [open=false]"
_DESCRIPTION = """\
Open a page to work in: drop pictures, choose weights, strength and size, compare, download.

  ckpt=        weights to offer beside those of the package, and their name is the default
  blend_with=  what ckpt is blended with where strength is below 1
  device=      auto | cpu | cuda | cuda:1 | mps
  port=        a port of this machine; without it, any that is free
  open=        false: print the address alone
  max_bytes=   of a file (500000000)
  max_pixels=  of a picture (100000000)
  max_tasks=   pictures that are kept or waited for at once (1000)"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C; 2 and what is wrong where that cannot be."""
    own, _ = command_line(arguments, usage=_USAGE, description=_DESCRIPTION, own=_OWN, takes_overrides=False)
    keep_few_kernels()
    try:
        import uvicorn

        from srgan.serve.app import Server
        from srgan.serve.networks import Networks
        from srgan.serve.wishes import Limits
        from srgan.serve.work import TILE
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        print("srgan serve needs the extra `serve`: pip install 'srgan[serve]'.", file=sys.stderr)
        return _CANNOT_RUN
    warnings.simplefilter("ignore")  # of single pictures, whose page says what matters
    token = secrets.token_urlsafe(16)
    try:
        limits = Limits(**{name: _whole(own, name) for name in ("max_bytes", "max_pixels", "max_tasks") if name in own})
        settings = {name: own[name] for name in ("ckpt", "blend_with", "device") if name in own}
        networks, previews = (Networks(**settings, tile_size=TILE) for _ in range(2))
        with networks.lent(networks.names[0], 1.0):
            pass  # unreadable weights are reported now
        bound = _bound(_whole(own, "port") if "port" in own else 0)
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return _CANNOT_RUN
    address = f"http://{_HOST}:{bound.getsockname()[1]}/?token={token}"
    with bound, tempfile.TemporaryDirectory(prefix="srgan-serve-", ignore_cleanup_errors=True) as folder:
        server = Server(networks, previews, folder=Path(folder), token=token, limits=limits)
        config = uvicorn.Config(
            server.app(), log_level="warning", server_header=False, timeout_graceful_shutdown=1, lifespan="on"
        )
        print(f"{address}\nCtrl-C ends it; results that were not downloaded are gone then.", flush=True)
        if own.get("open", "true") != "false":
            threading.Timer(0.5, webbrowser.open, [address]).start()
        running = uvicorn.Server(config)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # or the pictures in the folder would outlive it
        if hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, running.handle_exit)
        with suppress(KeyboardInterrupt):  # which uvicorn hands on when it has ended
            running.run(sockets=[bound])
    print("Stopped.")
    return 0


def _whole(own: dict[str, str], name: str) -> int:
    if not own[name].isascii() or not own[name].isdigit():
        raise ValueError(f"Expected {name} to be a whole number, got {own[name]}.")
    return int(own[name])


def _bound(port: int) -> socket.socket:
    """A socket of this machine alone.

    Raises:
        OSError: If the port is taken.
    """
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((_HOST, port))
        bound.listen()  # from here on requests wait in the queue instead of being refused
    except (OSError, OverflowError) as error:
        bound.close()
        raise OSError(
            f"Expected port={port} to be free on this machine: {error}. Leave it out for one that is."
        ) from error
    return bound
