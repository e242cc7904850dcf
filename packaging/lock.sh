#!/bin/sh
# Write packaging/locks/*.txt again: exact versions and hashes, valid for Python 3.11 and newer.
# Arguments go to the resolver, for example: packaging/lock.sh --upgrade
set -eu
cd "$(dirname "$0")/.."

tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
python3 -m venv "$tool"
"$tool/bin/pip" install --quiet --disable-pip-version-check uv

# Extras stay in the pins: else pip asks the index for "coverage[toml]", which the pin of "coverage" does not name, and
# stops at the first release that is newer than the locked one.
compile() {
    output=$1
    shift
    "$tool/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        --output-file "packaging/locks/$output" "$@"
    echo "packaging/locks/$output"
}

compile dev.txt --extra gui --extra api --extra dev pyproject.toml "$@"
compile run.txt --constraint packaging/locks/dev.txt pyproject.toml "$@"
compile gui.txt --constraint packaging/locks/dev.txt --extra gui pyproject.toml "$@"
compile build.txt --constraint packaging/locks/dev.txt packaging/locks/build.in "$@"
compile bench.txt packaging/locks/bench.in "$@"
printf 'libvirt-python\n' | compile libvirt.txt - "$@"
