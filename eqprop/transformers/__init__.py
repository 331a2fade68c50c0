"""Released architectures of the library ``transformers``: tiny random models, and which symmetries they have.

PyTorch and transformers are imported once a model is asked for.
"""

from eqprop.transformers.asking import from_config as from_config
from eqprop.transformers.asking import table as table
from eqprop.transformers.rows import Cell as Cell
from eqprop.transformers.rows import Row as Row
from eqprop.transformers.rows import as_json as as_json
from eqprop.transformers.rows import as_markdown as as_markdown
from eqprop.transformers.rows import as_text as as_text
