"""``python -m eqprop``: the command line, where the console script is not at hand."""

from eqprop.faces.cli import main

main()
