"""Within a search glibc keeps what is freed; afterwards it has given it back."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import Any

import pytest

from eqprop.engine import freed_memory_kept
from eqprop.engine.allocator import ADAPTED, KEEPING, MMAP_THRESHOLD, TRIM_THRESHOLD, _glibc, is_set

FAULTS = """
import resource, sys
from contextlib import nullcontext
import numpy as np
from eqprop.engine.allocator import freed_memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        several = [np.ones(500_000) for _ in range(20)]
        del several
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1])

found = []
for context in (nullcontext(), freed_memory_kept()):
    with context:
        faults()
        found.append(faults())
        held = resident()
found += [held, resident()]
sys.stdout.write(" ".join(map(str, found)))
"""


class Recorded:
    """An allocator that remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, int]] = []
        self.trimmed = 0

    def mallopt(self, parameter: int, value: int) -> int:
        self.told.append((parameter, value))
        return 1

    def malloc_trim(self, pad: int) -> int:
        self.trimmed += 1
        return pad


@pytest.fixture
def allocator(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    recorded = Recorded()
    monkeypatch.setattr("eqprop.engine.allocator._glibc", lambda: recorded)
    return recorded


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="how memory is kept is another C library's affair")
def test_arrays_that_come_and_go_are_mapped_once_and_given_back_at_the_end():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    usual, kept, held, left = map(int, done.stdout.split())
    assert kept < usual / 10, done.stdout
    assert left < held - 15_000, done.stdout  # pages of 4 KB: of the 80 MB that twenty arrays take


def test_what_was_told_is_taken_back_to_what_glibc_adapts_to(allocator: Recorded):
    with freed_memory_kept():
        assert allocator.told == list(KEEPING.items())
    assert allocator.told[2:] == list(ADAPTED.items())
    assert allocator.trimmed == 1


def test_uses_in_another_are_one(allocator: Recorded):
    with freed_memory_kept(), freed_memory_kept():
        pass
    assert (len(allocator.told), allocator.trimmed) == (4, 1)


def test_an_error_inside_gives_memory_back(allocator: Recorded):
    with pytest.raises(ZeroDivisionError, match="zero"), freed_memory_kept():
        _ = 1 / 0
    assert allocator.trimmed == 1


def test_numbers_fit_in_what_glibc_takes():
    for parameters in (KEEPING, ADAPTED):
        assert set(parameters) == {TRIM_THRESHOLD, MMAP_THRESHOLD}
        assert all(0 < value < 2**31 for value in parameters.values())


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"MALLOC_TRIM_THRESHOLD_": "1000000"}, True),
        ({"MALLOC_ARENA_MAX": "2"}, False),
        ({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}, True),
        ({"GLIBC_TUNABLES": "glibc.cpu.x86_ibt=on"}, False),
    ],
)
def test_what_the_user_has_set_stays(environment: dict[str, str], expected: Any):
    assert is_set(environment) is expected


def test_another_system_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    _glibc.cache_clear()
    try:
        assert _glibc() is None
        with freed_memory_kept():
            pass
    finally:
        _glibc.cache_clear()
