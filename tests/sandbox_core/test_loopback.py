"""Loopback addresses: one process alone has each, and gives it back however it ends."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys

import pytest

from sandbox.loopback import Addresses

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="blocks are claimed on Linux only")
# ranges that no sandbox takes, one a test: tests run at once
ORDER, AGAIN, HELD, KEPT, TWO, OTHERS, END = (
    (f"127.59.{first}.1", f"127.59.{last}.254")
    for first, last in ((0, 1), (2, 3), (4, 7), (8, 9), (10, 13), (14, 15), (16, 16))
)

OTHER = """
import sys
from sandbox.loopback import Addresses
addresses = Addresses(sys.argv[1], sys.argv[2])
print(addresses.take(), flush=True)
sys.stdin.read()
"""


def test_addresses_come_in_order_without_those_of_networks_and_broadcasts() -> None:
    addresses = Addresses(*ORDER)
    found = list(itertools.islice(addresses, 300))
    addresses.close()
    assert found[0].endswith(".1")
    assert len(set(found)) == 300
    assert not [a for a in found if a.endswith((".0", ".255"))]


def test_one_that_was_given_back_comes_again_before_a_new_block_is_claimed() -> None:
    addresses = Addresses(*AGAIN)
    first = [addresses.take() for _ in range(254)]
    addresses.used -= set(first[:200])
    again = [addresses.take() for _ in range(200)]
    assert again == first[:200]
    assert addresses.take() not in first
    addresses.close()


def test_what_is_held_is_not_handed_out() -> None:
    addresses = Addresses(*HELD)
    one = addresses.take()
    addresses.used.discard(one)
    addresses.held.add(one)
    assert one not in list(itertools.islice(addresses, 600))
    addresses.close()


def test_the_end_of_the_range_is_an_error() -> None:
    addresses = Addresses(*END)
    for _ in range(254):
        addresses.take()
    with pytest.raises(OSError, match="no loopback address is free"):
        addresses.take()
    addresses.close()


@LINUX_ONLY
def test_one_of_before_a_restart_is_kept_and_its_block_with_it() -> None:
    addresses, beside = Addresses(*KEPT), Addresses(*KEPT)
    addresses.keep("127.59.8.7")
    assert beside.take().startswith("127.59.9.")
    assert [addresses.take() for _ in range(253)] == [f"127.59.8.{n}" for n in range(1, 255) if n != 7]
    addresses.close()
    beside.close()


@LINUX_ONLY
def test_two_at_once_share_no_address() -> None:
    one, two = Addresses(*TWO), Addresses(*TWO)
    mine, theirs = ({addresses.take() for _ in range(300)} for addresses in (one, two))
    one.close()
    two.close()
    assert not mine & theirs


@LINUX_ONLY
def test_another_process_keeps_its_block_until_it_dies_by_whatever_cause() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, *OTHERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = other.stdout.readline().strip()
        assert theirs == OTHERS[0]
        beside = Addresses(*OTHERS)
        assert beside.take() == "127.59.15.1"
        beside.close()
        other.send_signal(signal.SIGKILL)
        other.wait()
    after = Addresses(*OTHERS)
    assert after.take() == theirs
    after.close()
