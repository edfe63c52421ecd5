"""Whether a TCP port is free, asked before a service is started on it.

Belongs here: the check and its sentence. Does not belong here: listening, or which ports there are (`settings`).

The servers themselves share a busy port in silence (`SO_REUSEPORT`), so everything that listens asks here first.
"""

from __future__ import annotations

import contextlib
import errno
import socket

from headwater.errors import BusyError, UnavailableError


def require_free_port(host: str, port: int, name: str, choose: str = "--port") -> None:
    """Return when `name` could listen there.

    Args:
        host: the address, IPv4 or IPv6.
        port: the port; 0 is always free.
        name: what is to listen, as a person would call it.
        choose: the option or variable that chooses another port.

    Raises:
        BusyError: another process listens there; names it where the system tells.
        UnavailableError: nothing can listen there: the address is not this machine's, the port is not for us.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise BusyError(
                    f"Port {port} for the {name} is taken{_holder(port)}.",
                    hint=f"End that process or choose another port with {choose}.",
                ) from error
            raise UnavailableError(
                f"The {name} cannot listen on {host}:{port}: {error.strerror}.",
                hint=f"Choose another port with {choose}." if error.errno == errno.EACCES else "",
            ) from error


def _holder(port: int) -> str:
    """Who listens there, for the sentence; psutil is imported only then: services must start fast."""
    import psutil

    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by «{psutil.Process(connection.pid).name()}» (process {connection.pid})"
    return ""
