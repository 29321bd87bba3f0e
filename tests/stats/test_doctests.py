"""The seeded examples in the docstrings print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import slipway.stats

MODULES = [module.name for module in pkgutil.iter_modules(slipway.stats.__path__, "slipway.stats.")]


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
