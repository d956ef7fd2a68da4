#!/usr/bin/env bash
# An environment of its own on top of the packages of another, with more packages and none of their dependencies, as in
# `BASE=.venv/bin/python benchmarks/environment.sh .bench -r benchmarks/peers.txt`.
set -eu
folder=$1
shift
base=${BASE:-.venv/bin/python}
test -x "$folder/bin/python" || "$base" -m venv "$folder"
site=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
"$base" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])' > "$site/base.pth"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps "$@"
