"""How much of the library one command enters: printed, and never more than was measured in November 2026."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

FILES = {"sample": 54, "compare": 47, "benchmark": 50}


@pytest.mark.slow
def test_commands_enter_no_more_files_than_before(tmp_path, capsys):
    path = Path(__file__).parents[1] / "benchmarks" / "entered.py"
    spec = spec_from_file_location("entered", path)
    script = module_from_spec(spec)
    spec.loader.exec_module(script)
    found = script.of_commands(tmp_path)
    with capsys.disabled():
        print(found)
    assert {name: each.files for name, each in found.items() if each.files > FILES[name]} == {}
