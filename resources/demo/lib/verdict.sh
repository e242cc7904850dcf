# Sourced by every test: where the suite lies, its settings, and the verdicts of kselftest (0 pass, 1 fail, 4 skip).
suite=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
. "$suite/conf/suite.conf"

note() { printf '# %s\n' "$*"; }

fail() {
    note "FAIL: $*"
    exit 1
}

skip() {
    note "SKIP: $*"
    exit 4
}

need() {
    for tool in "$@"; do
        command -v "$tool" > /dev/null 2>&1 || skip "$tool is not installed"
    done
}

# make_area: a fresh private folder, named in $area, that goes when the test ends.
make_area() {
    area=${TMPDIR:-/tmp}/kdeploy-suite.$$
    (umask 077 && mkdir -- "$area") || fail "cannot make $area"
    trap 'rm -rf -- "$area"' EXIT
    trap 'exit 1' HUP INT TERM
}
