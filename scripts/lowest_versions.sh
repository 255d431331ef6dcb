#!/usr/bin/env bash
# The tests with the oldest versions that pyproject.toml allows, in an environment of their own (.venv-lowest).
# Lint and types are left to `make test`: they are of the newest tools.
set -euo pipefail
cd "$(dirname "$0")/.."

python3.11 -m venv .venv-lowest
uv pip install --python .venv-lowest/bin/python --resolution lowest-direct --torch-backend cpu \
  --editable '.[md,io,dev]'
OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -n 2
