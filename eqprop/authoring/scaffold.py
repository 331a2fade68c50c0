"""A catalog entry to begin with: ``eqprop new NAME``."""

from __future__ import annotations

import keyword
import sys
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from string import Template

from eqprop.arguments import kebab_case
from eqprop.errors import InvalidInput

CATALOG = "eqprop.catalog"
ENTRY, TEST = {"{module}.py": "entry.py.txt"}, {"test_{module}.py": "test.py.txt"}


def write(name: str, folder: Path) -> tuple[Path, ...]:
    """Write a commented entry that passes as it is, and its test, which entries of the built-in catalog do not need.

    Args:
        name: of the entry, kebab-case; the module and its function are called so, with underscores.
        folder: where to; made if it does not exist.

    Returns:
        The files that were written.

    Raises:
        InvalidInput: for a name that is not kebab-case, that Python cannot import or that hides another module; where a
            file exists, or the folder cannot be written to.
    """
    module = kebab_case(name, what="eqprop new").replace("-", "_")
    try:
        root, dotted = address(folder / f"{module}.py")
        _check_importable(module, name, inside_a_package="." in dotted)
        texts = _texts(name, module, dotted, folder, root)
        for path in texts:
            if path.exists():
                msg = f"eqprop new: {path} exists already; choose another name, or another folder (--to)."
                raise InvalidInput(msg)
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        msg = f"eqprop new: {folder} cannot be written to ({error.strerror}); choose another folder (--to)."
        raise InvalidInput(msg) from error
    return tuple(texts)


def _texts(name: str, module: str, dotted: str, folder: Path, root: Path) -> dict[Path, str]:
    """The files with what they hold, in which the module has the name that it is imported by."""
    in_package = dotted if "." in dotted else f"YOUR_PACKAGE.{module}"
    words = {"name": name, "module": dotted, "function": module, "title": name.replace("-", " ").capitalize()}
    words |= {"in_package": in_package, "check": check_of(name, folder / f"{module}.py", root)}
    templates = ENTRY if _is_catalog(folder) else ENTRY | TEST
    return {folder / target.format(module=module): _filled(source, words) for target, source in templates.items()}


def check_of(name: str, module: Path, root: Path) -> str:
    """The command that asks of an entry what is asked of all, from the folder that its module is imported from.

    Args:
        name: of the entry.
        module: the file that it stands in.
        root: the folder that the command is typed in.
    """
    if _is_catalog(module.parent):
        return f"eqprop selfcheck {name}"
    return f"pytest {module.with_name(f'test_{module.name}').absolute().relative_to(root)}"


def address(module: Path) -> tuple[Path, str]:
    """Where a module is imported from, and as what: the folder above the outermost package around it, and its name.

    The built-in catalog has another name than its folder, and is imported from anywhere.
    """
    if _is_catalog(module.parent):
        return Path.cwd(), f"{CATALOG}.{module.stem}"
    root, names = module.absolute().parent, [module.stem]
    while (root / "__init__.py").is_file():
        names.insert(0, root.name)
        root = root.parent
    return root, ".".join(names)


def _is_catalog(folder: Path) -> bool:
    """Whether a folder is that of the built-in catalog, in which every module is one of entries."""
    spec = find_spec(CATALOG)
    places = (spec and spec.submodule_search_locations) or ()
    return folder.resolve() in {Path(place).resolve() for place in places}


def _check_importable(module: str, name: str, *, inside_a_package: bool) -> None:
    """A name that Python can import, and that hides no other module."""
    if not module.isidentifier() or keyword.iskeyword(module):
        why = "a word of Python's own" if module.isidentifier() else "no name that begins with a letter"
        msg = f"eqprop new: the name is {name!r}; it names a Python module, and {module!r} is {why}."
        raise InvalidInput(msg)
    if not inside_a_package and (module in sys.stdlib_module_names or find_spec(module) is not None):
        msg = (
            f"eqprop new: the name is {name!r}, and there is a module {module!r}, which it would hide. Choose another."
        )
        raise InvalidInput(msg)


def _filled(source: str, words: dict[str, str]) -> str:
    return Template(files("eqprop.authoring").joinpath("templates", source).read_text(encoding="utf-8")).substitute(
        words
    )
