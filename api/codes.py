"""Which refusals an operation may answer with: found in its own code, not written down beside it.

From an endpoint and what it depends on, every function is followed that its code names: in its module, in
another that it names, and in the classes of what it is given. What no name leads to is added by hand in
`api/openapi.py`; tests hold each refusal that they meet against what is found.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, get_args, get_type_hints

from fastapi.dependencies.models import Dependant

from kit.errors import DomainError

DEEP = 3
"""How deep a table of functions may hold tables, and what is given may hold others."""


class Search:
    """Follows code within some packages."""

    def __init__(self, packages: Iterable[str], kinds: Mapping[str, type]) -> None:
        """Follow code of `packages`; `kinds` are of what is had by a name that tells no type."""
        self._packages, self._kinds = frozenset(packages), kinds
        self._known: dict[int, tuple[Any, list[Any]]] = {}

    def codes(self, dependant: Dependant) -> set[type[DomainError]]:
        """Find the refusals of an endpoint and of what it depends on."""
        found: set[type[DomainError]] = set()
        known: set[int] = set()
        waiting = list(_calls(dependant))
        while waiting:
            thing = waiting.pop()
            if id(thing) in known:
                continue
            known.add(id(thing))
            if isinstance(thing, type) and issubclass(thing, DomainError):
                found.add(thing)
            else:
                waiting += self._remembered(thing)
        return found - {DomainError}

    def _remembered(self, thing: Any) -> list[Any]:
        """Look at each thing once: most operations lead to the same."""
        if id(thing) not in self._known:  # The thing is kept too: else another might get its id.
            self._known[id(thing)] = (thing, list(self._leads(thing)))
        return self._known[id(thing)][1]

    def _leads(self, thing: Any) -> Iterable[Any]:
        """Give what a function, a class or a thing of ours leads to."""
        if isinstance(thing, FunctionType | MethodType):
            return self._of_function(inspect.unwrap(thing))
        kind = thing if isinstance(thing, type) else type(thing)
        if not self._is_ours(kind):
            return ()
        # What the library keeps in a class leads nowhere, and some of it is made when it is looked at.
        return [_plain(v) for name, v in vars(kind).items() if not name.startswith("__pydantic")]

    def _of_function(self, function: Callable[..., Any]) -> list[Any]:
        plain: Any = getattr(function, "__func__", function)
        if plain.__module__.partition(".")[0] not in self._packages:
            return []
        names = _names(plain.__code__)
        named = [thing for v in _values(plain, names) for thing in self._told(v, names, DEEP)]
        kinds = (*_given(plain), *(kind for name, kind in self._kinds.items() if name in names))
        given = [part for kind in kinds for part in self._of_given(kind, names, DEEP)]
        return named + given

    def _told(self, value: Any, names: frozenset[str], deep: int) -> Iterator[Any]:
        """Give what is followed of a value that a function names."""
        value = _plain(value)
        if isinstance(value, ModuleType):
            if value.__name__.partition(".")[0] in self._packages:
                yield from (getattr(value, name) for name in names if hasattr(value, name))
        elif isinstance(value, Mapping | list | tuple | frozenset):
            held = value.values() if isinstance(value, Mapping) else value
            yield from (t for item in held if deep for t in self._told(item, names, deep - 1))
        elif isinstance(value, FunctionType | MethodType | type) or self._is_ours(type(value)):
            yield value

    def _of_given(self, kind: type, names: frozenset[str], deep: int) -> Iterator[Any]:
        """Give the methods that a function names of what it is given, and of what that holds."""
        if not deep or not self._is_ours(kind):
            return
        yield from (_plain(vars(kind)[name]) for name in names if name in vars(kind))
        for name, held in _hints(kind).items():
            if name in names:
                for one in _classes(held):
                    yield from self._of_given(one, names, deep - 1)

    def _is_ours(self, kind: type) -> bool:
        return kind.__module__.partition(".")[0] in self._packages


def _calls(dependant: Dependant) -> Iterator[Any]:
    if dependant.call is not None:
        yield dependant.call
    for part in dependant.dependencies:
        yield from _calls(part)


@cache
def _names(code: CodeType) -> frozenset[str]:
    inner = (part for part in code.co_consts if isinstance(part, CodeType))
    return frozenset((*code.co_names, *code.co_freevars)).union(*map(_names, inner))


def _values(function: FunctionType, names: frozenset[str]) -> Iterator[Any]:
    yield from (function.__globals__[name] for name in names if name in function.__globals__)
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents
        except ValueError:  # Not filled.
            continue


def _given(function: FunctionType) -> Iterator[type]:
    """Give the classes of what a function is given; of a method its own, and those its object was made of."""
    for hint in _hints(function).values():
        yield from _classes(hint)
    owner = function.__globals__.get(function.__qualname__.partition(".")[0])
    if isinstance(owner, type):
        yield owner
        for hint in (*_hints(vars(owner).get("__init__")).values(), *_hints(owner).values()):
            yield from _classes(hint)


@cache
def _hints(thing: Any) -> Mapping[str, Any]:
    try:
        return get_type_hints(thing)
    except (NameError, TypeError, AttributeError):  # A name for the type checker alone.
        return {}


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type):
        yield hint
    for part in get_args(hint):
        yield from _classes(part)


def _plain(value: Any) -> Any:
    """Take off what a cache, a property or a class puts round a function."""
    if isinstance(value, property):
        return value.fget
    return getattr(value, "__wrapped__", getattr(value, "__func__", value))
