"""Parts of a drawing, and what they are said to have taken."""

import time

from gensample.generators.drawing import Parts, draw_parts
from gensample.work import Work

BURNT = 0.05


class Prepared(Parts):
    """Two parts that cost nothing, of what costs some core-seconds."""

    parts = ("a.npz", "b.npz")
    told = "two parts"

    def prepare(self, parts):
        start = time.process_time()
        while time.process_time() < start + BURNT:
            pass

    def draw(self, part, scratch):
        return {}


def test_what_is_prepared_is_counted(tmp_path):
    work = Work(tmp_path)
    assert draw_parts(Prepared(), work, Prepared.parts) == 2
    first, second = (float(work.arrays(part)["core_seconds"]) for part in Prepared.parts)
    assert first >= 0.9 * BURNT > second
