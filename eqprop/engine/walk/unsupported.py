"""What the walk leaves to JAX."""

from __future__ import annotations


class Unsupported(Exception):  # noqa: N818 - it reads as what happened
    """The parameters or types of an operation are a case that has no rule: JAX evaluates it."""
