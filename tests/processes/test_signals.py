"""What ends a process is not lost in a callback, and is kept from processes that are started beside it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path

import pytest

from eqprop.processes import heard, interrupts_held


class Thing:
    pass


def interrupted_in_a_callback():
    """Ctrl-C while a weak reference's callback runs, and some time to notice it."""
    thing = Thing()
    reference = weakref.ref(thing, lambda _: signal.raise_signal(signal.SIGINT))
    del thing
    for _ in range(500):
        time.sleep(0.01)
    return reference


@pytest.fixture
def _interruptible():
    """A shell's command in the background ignores Ctrl-C, and what it starts does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_interruptible")
def test_ctrl_c_in_the_callback_of_a_weak_reference_is_heard():
    with pytest.raises(KeyboardInterrupt, match=r"^$"), heard(signal.SIGINT, KeyboardInterrupt):
        interrupted_in_a_callback()


def test_what_else_is_ignored_is_for_who_was_told_before(monkeypatch):
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    with heard(signal.SIGINT, KeyboardInterrupt):
        thing = Thing()
        reference = weakref.ref(thing, lambda _: 1 // 0)
        del thing
    assert [ignored.exc_type for ignored in told] == [ZeroDivisionError]
    assert reference() is None


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="masks are read from /proc")
def test_a_process_that_is_started_while_interrupts_are_held_never_hears_them():
    def blocked() -> bool:
        read = "print(open('/proc/self/status').read())"
        told = subprocess.run([sys.executable, "-c", read], capture_output=True, text=True, check=True).stdout
        (mask,) = [line.split()[1] for line in told.splitlines() if line.startswith("SigBlk")]
        return bool(int(mask, 16) >> (signal.SIGINT - 1) & 1)

    with interrupts_held():
        inside = blocked()
    assert (inside, blocked()) == (True, False)


FIRST = """
import signal
from eqprop.processes import spawned

def mask(pipe):
    pipe.send(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))

if __name__ == "__main__":
    process = spawned(mask)
    print(process.pipe.recv())
    process.stop()
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no masks")
def test_nor_does_the_first_one_of_a_program(tmp_path):
    (tmp_path / "first.py").write_text(FIRST)
    done = subprocess.run([sys.executable, tmp_path / "first.py"], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"
