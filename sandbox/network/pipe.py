"""One direction of one connection: when each piece of data arrives at the other end. Pure, but for the random stream.

Callers: sandbox.network.relay. What is modelled, and how:

- Half the round trip each way, plus jitter: the absolute value of a normal draw with the link's deviation / sqrt(2).
- A TCP connection is open after one round trip. The kernel of this machine says so at once, so the first data waits for
  that round trip here; a lost SYN costs 1 s, doubling (RFC 6298, 2.1).
- A lost packet delays its data and what follows on that connection: by a round trip where three packets follow (fast
  retransmit, RFC 5681), else by the retransmission timeout, round trip + max(200 ms, 4 x jitter) as Linux has it
  (RFC 6298 with Linux's minimum), doubling with each further loss of the same packet.
- A reset ends the connection while the data is on its way: on the way there nothing was executed, on the way back the
  answer is lost.

Not modelled: bandwidth, windows (a large body takes no more round trips than a small one), lost acknowledgements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from sandbox.network.matrix import Link

SEGMENT_BYTES = 1448
SYN_TIMEOUT_S = 1.0
MIN_TIMEOUT_S = 0.2
MAX_TIMEOUT_S = 120.0
_TOO_MANY = 15


@dataclass(slots=True)
class Counts:
    """What happened on all connections of a path."""

    connections: int = 0
    chunks: int = 0
    bytes: int = 0
    lost: int = 0
    resets: int = 0


class Reset(Exception):
    """The connection is reset while this piece is on its way. at_s: when the ends learn of it."""

    def __init__(self, at_s: float) -> None:
        super().__init__("reset")
        self.at_s = at_s


class Direction:
    """Arrival times never go back: TCP delivers in order."""

    def __init__(self, rng: Random, counts: Counts, *, opens: bool) -> None:
        self._rng, self._counts, self._opens = rng, counts, opens
        self._last_s = 0.0

    def arrival_s(self, link: Link, now_s: float, size: int) -> float:
        """When this piece arrives, on the loop's clock. Raises Reset."""
        delay_s = self._one_way_s(link)
        if self._opens:
            self._opens = False
            delay_s += self._opening_s(link)
        self._counts.chunks += 1
        self._counts.bytes += size
        delay_s += self._retransmission_s(link, math.ceil(size / SEGMENT_BYTES) or 1)
        at_s = max(now_s + delay_s, self._last_s + 1e-6)
        self._last_s = at_s
        # Half of the resets hit the way there, half the way back.
        if link.resets and self._rng.random() < link.resets / 2:
            self._counts.resets += 1
            raise Reset(at_s)
        return at_s

    def end_s(self, link: Link, now_s: float) -> float:
        """When the other end learns that this one has closed."""
        self._last_s = max(now_s + self._one_way_s(link), self._last_s + 1e-6)
        return self._last_s

    def _one_way_s(self, link: Link) -> float:
        jitter_ms = abs(self._rng.gauss(0.0, link.jitter_ms / math.sqrt(2))) if link.jitter_ms else 0.0
        return (link.rtt_ms / 2 + jitter_ms) / 1000

    def _opening_s(self, link: Link) -> float:
        waited_s, timeout_s = link.rtt_ms / 1000, SYN_TIMEOUT_S
        for _ in range(_TOO_MANY):
            if not (link.loss and self._rng.random() < link.loss):
                break
            self._counts.lost += 1
            waited_s += timeout_s
            timeout_s = min(2 * timeout_s, MAX_TIMEOUT_S)
        return waited_s

    def _retransmission_s(self, link: Link, packets: int) -> float:
        """The wait for the packet of the piece that comes last."""
        if not link.loss:
            return 0.0
        worst_s = 0.0
        for position in range(packets):
            if self._rng.random() >= link.loss:
                continue
            self._counts.lost += 1
            timeout_s = (link.rtt_ms + max(1000 * MIN_TIMEOUT_S, 4 * link.jitter_ms)) / 1000
            waited_s = link.rtt_ms / 1000 if packets - position > 3 else timeout_s
            for _ in range(_TOO_MANY):
                if self._rng.random() >= link.loss:
                    break
                self._counts.lost += 1
                timeout_s = min(2 * timeout_s, MAX_TIMEOUT_S)
                waited_s += timeout_s
            worst_s = max(worst_s, waited_s)
        return worst_s
