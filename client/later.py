"""Contracts that load when something of them is used: a terminal starts at once, and pays for what it calls."""

import sys
from importlib.util import LazyLoader, find_spec, module_from_spec
from types import ModuleType

import schemas


def later(*names: str) -> ModuleType:
    """Give `schemas`, with modules in it that load themselves at the first use."""
    for name in (f"{schemas.__name__}.{name}" for name in names):
        if name not in sys.modules:
            spec = find_spec(name)
            if spec is None or spec.loader is None:
                raise ModuleNotFoundError(name)
            spec.loader = LazyLoader(spec.loader)
            module = sys.modules[name] = module_from_spec(spec)
            setattr(schemas, name.rpartition(".")[2], module)
            spec.loader.exec_module(module)
    return schemas
