"""Writes the reference of all properties: ``python -m eqprop.authoring.properties_page > docs/properties.md``."""

from __future__ import annotations

import sys

from eqprop.authoring.reference import reference


def main() -> None:
    """Write the page to the standard output, in UTF-8 whatever the terminal's encoding is."""
    sys.stdout.buffer.write(reference().encode())


if __name__ == "__main__":
    main()
