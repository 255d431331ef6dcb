"""The public names: each is there, cheap to have, and shows an example that runs."""

import doctest
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gensample as gs


@pytest.mark.parametrize("name", gs.__all__)
def test_every_public_name_has_an_example_that_runs(name, capsys):
    thing = getattr(gs, name)
    finder = doctest.DocTestFinder(recurse=False)
    found = [test for test in finder.find(thing, name, extraglobs={"gs": gs}) if test.examples]
    assert found, f"{name} shows no example"
    for test in found:
        doctest.DocTestRunner(verbose=False).run(test)
    assert capsys.readouterr().out == ""


def test_the_table_of_homes_is_whole():
    assert list(gs._HOMES) == gs.__all__
    assert sorted(gs.__all__) == gs.__all__
    stub = Path(gs.__file__).with_suffix(".pyi").read_text()
    assert sorted(re.findall(r"as (\w+)", stub)) == gs.__all__
    with pytest.raises(AttributeError, match="it has Comparison, Configuration"):
        gs.no_such_name  # noqa: B018


def test_importing_gensample_imports_nothing_heavy():
    code = "import sys, gensample; gensample.__all__; print({'torch', 'numpy', 'h5py'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert out.stdout.strip() == "set()"
