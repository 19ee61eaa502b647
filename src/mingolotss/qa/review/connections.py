"""The connections of the review page: those that send no whole request are closed.

uvicorn waits for ever for a request that has begun, or for a first one. Each such connection holds
a file of this process, which may open about a thousand.
"""

from __future__ import annotations

import asyncio

__all__ = ["patient_protocol"]


def patient_protocol(patience_s: float = 10.0) -> type[asyncio.Protocol]:
    """Return the class of connections; it is made here, since uvicorn is optional.

    Parameters
    ----------
    patience_s : float, seconds
        A connection that is in the same unfinished request at two looks, so far apart, is closed.
    """
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol

    unfinished = (h11.IDLE, h11.SEND_BODY)

    class PatientProtocol(H11Protocol):
        """HTTP/1.1 with a limit on the time that a request may take to arrive."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Begin to look at the connection from time to time."""
            super().connection_made(transport)
            self._last_look: tuple[int, bool] | None = None
            self._look()

        def connection_lost(self, exc: Exception | None) -> None:
            """Look no more."""
            self._next_look.cancel()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            """Answer a request that is no HTTP; the page's answer to its beginning is dropped."""
            super().send_400_response(msg)
            if self.cycle is not None:
                self.cycle.disconnected = True
                self.cycle.message_event.set()

        def _look(self) -> None:
            # A response in progress is not limited: its request has arrived.
            look = id(self.cycle), self.conn.their_state in unfinished
            if look[1] and look == self._last_look:
                self.transport.close()
                return
            self._last_look = look
            self._next_look = self.loop.call_later(patience_s, self._look)

    return PatientProtocol
