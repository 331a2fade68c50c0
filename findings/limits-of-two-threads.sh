#!/usr/bin/env bash
# threadpoolctl 3.6.0 and 3.8.0, numpy 2.4.4 (OpenBLAS 0.3.31, its own threads), on a CPU with two cores or more.
#
# What it does: two Python threads each enter `with controller.limit(limits=1, user_api="blas")`, the second while the
# first is within; the first leaves, then the second.
# What one would guess: once both have left their `with`, BLAS has as many threads as it had before; in 3.8.0, where
# OpenBLAS belongs to the thread that limits it, all the more so.
# What is seen: BLAS is left with one thread, in both versions. What a limit takes back is what it found, and the second
# one found the first one's limit; in 3.8.0 its own limit was ignored, but leaving it is not, because the first thread
# has given OpenBLAS up by then. While a thread is alive that has set a limit in 3.8.0 without a `with`, limits of other
# threads have no effect at all, without a word; in 3.6.0 they have.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
for version in 3.6.0 3.8.0; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --disable-pip-version-check "threadpoolctl==$version" numpy==2.4.4
    OPENBLAS_NUM_THREADS=2 "$work/$version/bin/python" - <<'PYTHON'
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import numpy
import threadpoolctl

controller = threadpoolctl.ThreadpoolController().select(user_api="blas")
version = threadpoolctl.__version__


def threads():
    (library,) = controller.info()
    return library["num_threads"]


def first(within, left, other_within):
    with controller.limit(limits=1, user_api="blas"):
        within.set()
        other_within.wait()
    left.set()


def second(within, left, other_within):
    within.wait()
    with controller.limit(limits=1, user_api="blas"):
        other_within.set()
        left.wait()


events = [Event() for _ in range(3)]
before = threads()
with ThreadPoolExecutor(2) as pool:
    for run in (pool.submit(first, *events), pool.submit(second, *events)):
        run.result()
after = threads()
print(f"threadpoolctl {version}, numpy {numpy.__version__}: BLAS had {before} threads, and has {after}")
assert (before, after) == (2, 1), "the behaviour has changed"

controller.limit(limits=2, user_api="blas")  # the main thread, which goes on living


def limited():
    with controller.limit(limits=1, user_api="blas"):
        return threads()


with ThreadPoolExecutor(1) as pool:
    within = pool.submit(limited).result()
print(f"    within another thread's limit of 1 it has {within}")
assert within == (2 if version == "3.8.0" else 1), "the behaviour has changed"
PYTHON
done
