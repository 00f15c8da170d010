"""How long a request may take to come, and how many may come at once."""

import asyncio
import ipaddress
import time
from collections import Counter
from contextlib import contextmanager

from sk_posters._base._optional import import_optional
from sk_posters.app._uploads import Refused

__all__ = ["Slots", "find_network", "limit_time", "make_protocol"]

# Uploads that are received at a time: of all, and of one client.
N_UPLOADS, N_PER_CLIENT = 64, 56
N_CONNECTIONS = 100  # Of one client.
HEADER_SECONDS = 10
# An upload may pause so long, and take so long beside its size.
IDLE_SECONDS, START_SECONDS, BYTES_PER_SECOND = 10, 20, 20_000


class Slots:
    """Counts the uploads that are being received, by client."""

    def __init__(self):
        self._taken = Counter()

    @contextmanager
    def take(self, client):
        """Count an upload of a client in this block, or refuse it."""
        network = find_network(client)
        if self._taken.total() >= N_UPLOADS or self._taken[network] >= N_PER_CLIENT:
            raise Refused(503, "Too many uploads at once. Try again in a moment.")
        self._taken[network] += 1
        try:
            yield
        finally:
            self._taken[network] -= 1
            if not self._taken[network]:
                del self._taken[network]


def find_network(client):
    """Return what one client has for itself: an address of IPv4, a /64 of IPv6."""
    host = client[0] if client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    if address.version == 4:
        return host
    if address.ipv4_mapped is not None:  # Of a server that listens to both.
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


def limit_time(receive):
    """Return an ASGI `receive` that refuses an upload that pauses or crawls."""
    begun, n_received = time.monotonic(), 0

    async def receive_in_time():
        nonlocal n_received
        allowed = START_SECONDS + n_received / BYTES_PER_SECOND
        left = begun + allowed - time.monotonic()
        try:
            message = await asyncio.wait_for(receive(), min(IDLE_SECONDS, left))
        except TimeoutError as error:
            raise Refused(
                408, "The upload came too slowly. Try again, or save a smaller copy."
            ) from error
        n_received += len(message.get("body", b""))
        return message

    return receive_in_time


def make_protocol():
    """Return uvicorn's HTTP, with a time-out for headers and a limit per client."""
    http = import_optional(
        "uvicorn.protocols.http.h11_impl", extra="app", purpose="The web page"
    )

    class TimedProtocol(http.H11Protocol):
        _timer = None

        def connection_made(self, transport):
            super().connection_made(transport)
            network = find_network(self.client)
            others = (find_network(other.client) for other in self.connections)
            if sum(other == network for other in others) > N_CONNECTIONS:
                transport.abort()
            self._watch()

        def data_received(self, data):
            super().data_received(data)
            self._watch()

        def connection_lost(self, exc):
            self._stop()
            super().connection_lost(exc)

        def shutdown(self):
            super().shutdown()
            if self.conn.their_state is http.h11.SEND_BODY:
                self.transport.abort()  # Nobody knows when the rest will come.

        def _watch(self):
            """Start the clock while headers come, and stop it when they are there."""
            if self.cycle is not None and not self.cycle.response_complete:
                self._stop()
            elif self._timer is None:
                close = self.transport.abort
                self._timer = self.loop.call_later(HEADER_SECONDS, close)

        def _stop(self):
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    return TimedProtocol
