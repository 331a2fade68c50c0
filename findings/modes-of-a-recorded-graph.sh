#!/usr/bin/env bash
# torch 2.13.0 on a CPU.
#
# What it does: records 200 sines with make_fx (torch.fx.experimental.proxy_tensor) from real tensors, as it does by
# default, and looks at what the graph notes of each value: a tensor without numbers, node.meta["val"].
# What one would guess: all notes of a graph are in one mode of tensors without numbers, as with tracing_mode="fake".
# What is seen: every value has a mode of its own, which is made for it, and each mode keeps the stack from which it was
# made, as long as the graph lives: the deeper in a program the recording is asked for, the more time and memory a node
# takes. Where a mode is there already (torch._guards.tracing), that one is taken, and the graph is the same.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import time

import torch
from torch._guards import TracingContext, tracing
from torch._subclasses import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx

STEPS, DEEP = 200, 60


def sines(x):
    for _ in range(STEPS):
        x = x.sin()
    return x


def deep(levels, asked):
    return deep(levels - 1, asked) if levels else asked()


def recorded(**how):
    start = time.process_time()
    graph = deep(DEEP, lambda: make_fx(sines, **how)(torch.ones(3)))
    return graph, time.process_time() - start


def told(name, graph, seconds):
    notes = [node.meta["val"] for node in graph.graph.nodes if "val" in node.meta]
    modes = {id(note.fake_mode): note.fake_mode for note in notes}
    frames = sum(len(mode._stack_trace) for mode in modes.values())
    print(f"  {name}: {len(modes)} modes, {frames} frames of stacks, {seconds:.2f} s")
    return len(modes), frames


recorded()  # what is imported on the way
print(f"torch {torch.__version__}: a graph of {STEPS} sines, recorded {DEEP} calls deep")
real, fake = recorded(), recorded(tracing_mode="fake")
with tracing(TracingContext(FakeTensorMode())):
    shared = recorded()
assert real[0].code == shared[0].code, "the graphs are no longer the same"
by_default, as_fake, given = told("real", *real), told("fake", *fake), told("real, a mode given", *shared)
assert by_default[0] > STEPS and by_default[1] > STEPS * DEEP, "the behaviour has changed"
assert as_fake[0] == given[0] == 1, "the behaviour has changed"
PYTHON
