"""``python tests/fuzz KIND RANGE [KIND RANGE ...]``, a range as ``7``, ``0:1000`` or ``3:1000:40``.

Prints a line for each failure, with the command that runs it alone; exit code 1 where there is one. ``-v``
prints every case.
"""

import argparse
import collections
import os
import sys
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # the parent must not have threads when it forks
sys.path.insert(1, str(Path(__file__).resolve().parent.parent))
sys.path.insert(2, str(Path(__file__).resolve().parent.parent / "data"))

import bases
import harness
import kinds


def numbers(text: str) -> range:
    """Numbers of cases from START, START:STOP or START:STOP:STEP."""
    parts = [int(part) for part in text.split(":")]
    return range(parts[0], parts[0] + 1) if len(parts) == 1 else range(*parts)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python tests/fuzz", description=__doc__)
    parser.add_argument("kinds", nargs="+", metavar="KIND RANGE")
    parser.add_argument("-v", "--verbose", action="store_true")
    args = parser.parse_args()
    failed, seen = 0, collections.Counter()
    kinds.warm()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        bases.FOLDER = Path(scratch) / "bases"
        harness.apart(lambda: kinds.build(args.kinds[::2]))
        for kind, text in zip(args.kinds[::2], args.kinds[1::2], strict=True):
            for number in numbers(text):
                outcome = harness.run_case(kinds.KINDS[kind], number, Path(scratch) / "case")
                seen[kind, outcome.code] += 1
                failed += bool(outcome.problems)
                if outcome.problems or args.verbose:
                    print(describe(kind, number, outcome), flush=True)
    print(
        "; ".join(f"{count} {kind} with rc {code}" for (kind, code), count in sorted(seen.items(), key=str))
    )
    print(f"{failed} failed")
    return int(failed > 0)


def describe(kind: str, number: int, outcome: harness.Outcome) -> str:
    """One line: how to run it alone, what it was, what is wrong."""
    problems = "; ".join(outcome.problems) or "well"
    used = f"{outcome.seconds:.1f} s, {outcome.megabytes:.0f} MB"
    line = f"python tests/fuzz {kind} {number} | {outcome.name} | {' '.join(outcome.words)!r} | {problems} | "
    return ascii(f"{line}{used} | {outcome.message}")[1:-1]


if __name__ == "__main__":
    sys.exit(main())
