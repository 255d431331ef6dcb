"""A script of docs/tutorials, executed as the notebook that it opens as."""

import base64
import os
import re
import sys
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import jupytext
import numpy as np
from jupyter_client import AsyncKernelManager
from jupyter_client.kernelspec import KernelSpecManager
from matplotlib.image import imread
from nbclient import NotebookClient

TUTORIALS = Path(__file__).resolve().parent.parent / "docs" / "tutorials"
CELL_SECONDS = 600  # of a busy machine


class Executed(NamedTuple):
    """What a notebook shows, and the folder that it went to."""

    text: str
    errors: str
    pictures: list[np.ndarray]
    folder: Path

    def numbers(self, pattern):
        """Of each place where the text is as the pattern, its groups as numbers."""
        found = re.findall(pattern, self.text)
        assert found, f"no {pattern!r} in\n{self.text}"
        return np.array(found, float)


def execute(name, folder):
    """Run it by this interpreter, with temporary files in ``folder``; an error of a cell is raised."""
    notebook = jupytext.read(TUTORIALS / name)
    # Without folders of kernels there is one, that of this interpreter, whatever a user has installed.
    kernels = KernelSpecManager(kernel_dirs=[])
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=kernels)
    client = NotebookClient(
        notebook, km=manager, timeout=CELL_SECONDS, resources={"metadata": {"path": str(folder)}}
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    client.execute(env={**os.environ, "PATH": path, "TMPDIR": str(folder)})
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    streams = {"stdout": "", "stderr": ""}
    for output in shown:
        if output.output_type == "stream":
            streams[output.name] += output.text
    data = [output.data for output in shown if "data" in output]
    text = [each.get("text/markdown", each.get("text/plain", "")) for each in data]
    pictures = [imread(BytesIO(base64.b64decode(each["image/png"]))) for each in data if "image/png" in each]
    (went_to,) = re.findall("files go to (.*)", streams["stdout"])
    return Executed("\n".join([streams["stdout"], *text]), streams["stderr"], pictures, Path(went_to))
