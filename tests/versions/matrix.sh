#!/usr/bin/env bash
# The tests with the packages of one list in an environment of its own, as in
# `tests/versions/matrix.sh oldest python3.11`. Unlike .venv nothing is shared: torch is installed anew.
set -eu
name=$1
python=${2:-python3}
shift $(($# < 2 ? $# : 2))
folder=.matrix/versions-$name-$(basename "$python")
test -x "$folder/bin/python" || "$python" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check -r "$(dirname "$0")/$name.txt"
OMP_NUM_THREADS=1 PYTHONPATH=$PWD "$folder/bin/python" -m pytest -n 2 -q -p no:cacheprovider "$@"
echo "$name with $python: passed"
