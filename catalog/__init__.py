"""The built-in catalog. Importing it imports every module beside this file, and with it registers its entries."""

import pkgutil
from importlib import import_module

for _module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
    import_module(_module.name)
