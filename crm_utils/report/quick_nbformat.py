"""Importing this module imports nbformat, without the seconds that a grammar of web addresses takes below it.

nbformat imports jsonschema, which imports rfc3987_syntax where that is installed, as JupyterLab has it. That package
builds dozens of parsers when it is imported, and none is used before somebody checks an international web address (an
IRI) against a schema. It is imported then.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

_GRAMMAR = "rfc3987_syntax"


def _is_valid_syntax(term: str, value: str) -> bool:
    return import_module(_GRAMMAR).is_valid_syntax(term, value)


def _import_nbformat() -> None:
    if "jsonschema" in sys.modules or _GRAMMAR in sys.modules or find_spec(_GRAMMAR) is None:
        import_module("nbformat")
        return
    stand_in = ModuleType(_GRAMMAR)
    stand_in.is_valid_syntax = _is_valid_syntax
    sys.modules[_GRAMMAR] = stand_in
    try:
        import_module("nbformat")
    finally:
        del sys.modules[_GRAMMAR]


_import_nbformat()
