#!/usr/bin/env bash
# The tests of lightning_callbacks under one version of one Lightning package, as in
# `BASE=.venv/bin/python benchmarks/lightning_matrix.sh pytorch-lightning==2.4.0`. The other package is hidden, so that
# each is tested as people have it: alone.
set -eu
wanted=$1
folder=.matrix/${wanted/==/-}
"$(dirname "$0")/environment.sh" "$folder" "$wanted"
OMP_NUM_THREADS=1 PYTHONPATH=$PWD LIGHTNING_UNDER_TEST=${wanted%%==*} \
    "$folder/bin/python" -m pytest tests/lightning_callbacks -q -m "not distributed" -p no:cacheprovider
echo "$wanted: passed"
