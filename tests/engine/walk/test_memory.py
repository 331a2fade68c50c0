"""What a walk frees stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
import jax, jax.numpy as jnp, numpy as np
from eqprop.engine import Walk

def arrays():
    for _ in range(3):
        several = [np.ones(500_000) for _ in range(8)]
        del several

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

arrays()
before = faults()
Walk(jax.make_jaxpr(jnp.sin)(1.0))([np.ones(2)])
arrays()
sys.stdout.write(f"{before} {faults()}")
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="what is freed is another allocator's affair")
def test_arrays_that_come_and_go_are_mapped_once_after_a_walk():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < before / 10, done.stdout
