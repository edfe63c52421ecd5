"""Keeps one Redis server alive for exactly as long as its owner lives.

Run as a script: `python -I -S supervise.py LOCK_FD redis-server ARGUMENTS…` with standard input a pipe whose other
end only the owner holds. When the owner stops, or is killed, the pipe closes and the server is told to save and stop;
when this process is killed, Linux tells the server (parent-death signal). So no server is ever left alone.

Belongs here: that. Uses the standard library only, and little of it: it starts in a few hundredths of a second.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def _die_with_parent() -> None:
    """Ask Linux to send SIGTERM to this process when its parent dies; elsewhere the pipe alone must do."""
    import ctypes

    try:
        ctypes.CDLL(None, use_errno=True).prctl(1, signal.SIGTERM, 0, 0, 0)
    except (AttributeError, OSError):
        return


def main(arguments: list[str]) -> int:
    """Start the server with the lock's descriptor, so that the lock is held exactly as long as the server lives."""
    lock = int(arguments[0])
    server = subprocess.Popen(
        arguments[1:],
        stdin=subprocess.DEVNULL,
        pass_fds=[lock],
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )
    os.close(lock)

    def watch_owner() -> None:
        while os.read(0, 1024):
            pass
        server.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: server.terminate())
    threading.Thread(target=watch_owner, daemon=True).start()
    return server.wait()


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]) & 0xFF)
