"""A violation made small, put into words, and kept in a file."""

from eqprop.counterexamples.describe import LIKE_PARAMS as LIKE_PARAMS
from eqprop.counterexamples.describe import by_path as by_path
from eqprop.counterexamples.describe import counterexample as counterexample
from eqprop.counterexamples.reading import recipe_in as recipe_in
from eqprop.counterexamples.saving import copied as copied
from eqprop.counterexamples.saving import folder_of as folder_of
from eqprop.counterexamples.saving import why_unwritable as why_unwritable
from eqprop.counterexamples.simplify import simplified as simplified
from eqprop.counterexamples.standalone import model_source as model_source
