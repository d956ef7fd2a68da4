#!/usr/bin/env bash
# The tests of this folder with the packages of one list, in an environment of its own on top of that of BASE, as in
# `BASE=.venv/bin/python tests/integrations/matrix.sh newest`. Tests whose packages the list lacks are skipped.
set -eu
name=$1
shift
folder=.matrix/integrations-$name
lists=$(dirname "$0")/packages
./benchmarks/environment.sh "$folder" -r "$lists/$name.txt"
case $name in
newest) tests="tests/integrations" ;;
oldest) tests="tests/integrations/test_transformers.py tests/integrations/test_transformers_trace_free.py tests/integrations/test_prepared.py" ;;
*) tests="tests/integrations/test_forecasting.py" ;;
esac
# shellcheck disable=SC2086
OMP_NUM_THREADS=1 PYTHONPATH=$PWD "$folder/bin/python" -m pytest $tests -q -p no:cacheprovider "$@"
echo "$name: passed"
