"""What users write as plain arguments: names, numbers, functions, mappings. What is wrong with one is said in one line.

Imports neither JAX nor hypothesis.
"""

from __future__ import annotations

import difflib
import inspect
import operator
import re
from collections.abc import Iterable, Mapping
from math import inf, isfinite
from numbers import Real
from typing import Any, TypeGuard, TypeVar

from eqprop.errors import InvalidInput

T = TypeVar("T")
KEBAB_CASE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def short(value: object) -> str:
    """A repr that fits a line; the type alone where the repr raises."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - whatever a user's own repr raises, it is not what is wrong here
        return f"a {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}…"


def got(value: object) -> str:
    """A value with its type, for what has the wrong one."""
    return short(value) if value is None else f"{short(value)} ({type(value).__name__})"


def words_of(error: BaseException) -> str:
    """What the system says of a file, or any other error of itself, never nothing."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def suggestion(name: object, known: Iterable[str], *, otherwise: str = "") -> str:
    """``Did you mean …?`` for a name that is close to known ones; else what is said otherwise.

    Args:
        name: what was given.
        known: the names that there are.
        otherwise: said where none is close.
    """
    names = {text.lower(): text for text in known}
    text = name if isinstance(name, str) else short(name)
    close = difflib.get_close_matches(text.lower(), names, n=3)
    return f"Did you mean {' or '.join(names[text] for text in close)}?" if close else otherwise


def name_of(name: object, what: str) -> str:
    """A name that can be shown in a line, be a test id, and be asked for on a command line.

    Raises:
        InvalidInput: for what is no text, is empty, or has characters that are not printed.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        msg = f"{what}: name is {got(name)}; expected a text of printable characters such as 'my-mlp'."
        raise InvalidInput(msg)
    return name


def call_of(constructor: str, name: object) -> str:
    """What a user called, with the name that it was given, as messages begin with it.

    Raises:
        InvalidInput: for a name that is none.
    """
    return f"{constructor}({name_of(name, constructor)!r})"


def text_of(value: object, what: str, *, example: str) -> str:
    """A text, which may be empty.

    Args:
        value: what was given.
        what: the thing, as in ``"forgets: path"``.
        example: of one, as Python.

    Raises:
        InvalidInput: for anything else.
    """
    if not isinstance(value, str):
        msg = f"{what} is {got(value)}; expected a text such as {example}."
        raise InvalidInput(msg)
    return value


def is_finite(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number, NumPy's included; booleans are none."""
    return isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)


def kebab_case(name: object, *, what: str) -> str:
    """The name, if it is words of lower-case letters and digits joined by hyphens.

    Raises:
        InvalidInput: otherwise. Names are test ids and command-line arguments.
    """
    if not isinstance(name, str) or not KEBAB_CASE.fullmatch(name):
        msg = (
            f"{what}: the name is {short(name)}; expected kebab-case such as 'relu-rescaling' (a-z, 0-9 and single "
            "hyphens)."
        )
        raise InvalidInput(msg)
    return name


def as_index(value: Any) -> int | None:
    """The whole number that a value is, NumPy's included; None for anything else, and for booleans."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        return None
    try:
        return operator.index(value)
    except TypeError:  # NumPy's booleans, and arrays of several numbers
        return None


LARGEST_SEED = 2**32 - 1
LARGEST_SIZE = 2**31 - 1
"""More entries than that no axis has: NumPy would raise what it likes, or ask the system for so much memory."""


def whole_number(value: object, what: str, *, least: int = 0, most: int | None = None) -> int:
    """A whole number in a range, NumPy's included.

    Args:
        value: what was given.
        what: the thing with its verb, as in ``"groups.Scaling: size is"``.
        least: the smallest that is allowed.
        most: the largest; None for any that a size may have.

    Raises:
        InvalidInput: for anything else; booleans are none.
    """
    number = as_index(value)
    largest = LARGEST_SIZE if most is None else most
    if number is None or not least <= number <= largest:
        many = number is not None and number > largest
        expected = f" from {least} to {largest}" if many or most is not None else f", {least} or more"
        msg = f"{what} {short(value)}; expected a whole number{expected}."
        raise InvalidInput(msg)
    return number


def positive(value: object, what: str) -> float:
    """A positive number that was given, NumPy's included; infinity is none.

    Raises:
        InvalidInput: for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < inf:
        msg = f"{what} {got(value)}; expected a positive number."
        raise InvalidInput(msg)
    return float(value)


def finite(value: object, what: str, *, least: float = -inf) -> float:
    """A number that was given, NumPy's included; neither infinity nor NaN is one.

    Args:
        value: what was given.
        what: it is, as a message begins.
        least: the smallest that is allowed.

    Raises:
        InvalidInput: for anything else, and for one below the least that is allowed.
    """
    if not is_finite(value) or value < least:
        expected = "" if least == -inf else f", {least:g} or more"
        msg = f"{what} {got(value)}; expected a number{expected}."
        raise InvalidInput(msg)
    return float(value)


def each_of(values: object, kind: type[T], what: str, *, example: str) -> list[T]:
    """Several things of one type.

    Args:
        values: what was given.
        kind: the type.
        what: the thing, as in ``"table: architectures"``.
        example: of it, as Python.

    Raises:
        InvalidInput: for what is no list or other iterable, a single text, and anything in it of another type.
    """
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        msg = f"{what} is {got(values)}; expected a list such as {example}."
        raise InvalidInput(msg)
    found: list[Any] = list(values)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    for value in found:
        if not isinstance(value, kind):
            msg = f"{what} has {got(value)} in it; expected a list such as {example}."
            raise InvalidInput(msg)
    return found


def flag(value: object, what: str) -> bool:
    """True or False; a text such as ``"no"`` would count as True.

    Raises:
        InvalidInput: for anything else.
    """
    if not isinstance(value, bool):
        msg = f"{what} is {got(value)}; expected True or False."
        raise InvalidInput(msg)
    return value


def one_of(value: object, known: Iterable[str], what: str) -> str:
    """One of a few known texts.

    Args:
        value: what was given.
        known: the texts.
        what: the value, as a message begins.

    Raises:
        InvalidInput: otherwise, naming all.
    """
    *others, last = known
    if not isinstance(value, str) or value not in (*others, last):
        msg = f"{what} is {short(value)}; expected {', '.join(map(repr, others))} or {last!r}."
        raise InvalidInput(msg)
    return value


def function_of(value: object, arguments: tuple[str, ...], what: str) -> Any:
    """A function that can be called with so many arguments, as far as Python knows its signature.

    Args:
        value: what was given.
        arguments: the names of what it will be called with.
        what: the value, as a message begins.

    Raises:
        InvalidInput: for what cannot be called, or takes another number of arguments.
    """
    shown = ", ".join(arguments)
    if not callable(value):
        msg = f"{what} is {got(value)}; expected a function of ({shown})."
        raise InvalidInput(msg)
    try:
        # What a wrapper takes, not what it wraps: functools.wraps shows the signature of the function inside.
        inspect.signature(value, follow_wrapped=False).bind(*arguments)
    except TypeError as error:
        msg = f"{what} cannot be called with ({shown}): {error}."
        raise InvalidInput(msg) from error
    except ValueError:  # what is built into Python or JAX may have no signature to look at
        pass
    return value


def mapping_of(value: object, example: str, what: str) -> Mapping[Any, Any]:
    """A mapping whose keys are texts.

    Args:
        value: what was given.
        example: what one looks like, as Python.
        what: the thing, as in ``"Pair 'p': known_failures"``.

    Raises:
        InvalidInput: for a list, a set, a text or None, and for a key that is no text.
    """
    if not isinstance(value, Mapping):
        msg = f"{what} is {got(value)}; expected a mapping such as {example}."
        raise InvalidInput(msg)
    for key in value:  # pyright: ignore[reportUnknownVariableType] - what is asked is what its keys are
        if not isinstance(key, str):
            msg = f"{what} has the key {got(key)}; expected texts, as in {example}."
            raise InvalidInput(msg)
    return value  # pyright: ignore[reportUnknownVariableType]


def texts_of(value: Any, example: str, what: str) -> tuple[str, ...]:
    """A tuple of texts; a text alone would be taken letter by letter.

    Args:
        value: what was given.
        example: what one looks like, as Python.
        what: the thing, as in ``"model 'm': state"``.

    Raises:
        InvalidInput: for anything else.
    """
    if not isinstance(value, tuple) or not all(isinstance(text, str) for text in value):
        msg = f"{what} is {got(value)}; expected a tuple of texts such as {example}."
        raise InvalidInput(msg)
    return value
