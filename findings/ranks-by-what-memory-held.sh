#!/usr/bin/env bash
# torch 2.13.0 on a CPU.
#
# What it does: asks torch.linalg.lstsq with its default driver (gelsy) for the same solution 40 times, with one thread, after
# memory with whole numbers 0 or 1 in it was freed. The columns of the matrix are of very different lengths, and rcond says
# what counts as zero.
# What one would guess: the same rank and the same solution each time, to the last bit.
# What is seen: rank 1 in some calls and rank 2 in others, with other solutions. LAPACK's gelsy reads from its argument JPVT
# which columns may be moved, and torch gives it memory that nobody has written to (pytorch/pytorch#187411). Of a
# well-conditioned matrix the last bits depend on it. With driver="gelsd" or "gelss" there is one rank and one solution.
# Exits with 0 as long as this is so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import torch

torch.set_num_threads(1)
torch.manual_seed(0)
MATRIX, RIGHT = torch.randn(3, 3, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
MATRIX[:, 0] *= 1e-9


def solved(driver):
    """The ranks and the solutions that are found; what memory each call is given nobody says."""
    found = []
    for held in (0, 1) * 20:
        freed = [torch.full((3,), held, dtype=torch.int32) for _ in range(50)]
        del freed
        found.append(torch.linalg.lstsq(MATRIX, RIGHT, driver=driver, rcond=1e-6))
    return {one.rank.item() for one in found}, {one.solution.numpy().tobytes() for one in found}


seen = {driver: solved(driver) for driver in ("gelsy", "gelsd", "gelss")}
for driver, (ranks, solutions) in seen.items():
    print(f"torch {torch.__version__}, {driver}: ranks {ranks}, {len(solutions)} solutions")
assert len(seen["gelsy"][0]) > 1, "the behaviour has changed: one rank"
assert len(seen["gelsy"][1]) > 1, "the behaviour has changed: one solution"
for driver in ("gelsd", "gelss"):
    assert seen[driver][0] == {2}, f"the comparison itself is off: {driver}"
    assert len(seen[driver][1]) == 1, f"the comparison itself is off: {driver}"
PYTHON
