#!/bin/sh
# Set this checkout up: packaging/setup.sh demo|test|lab|bench
#
# System packages (as root or through sudo), a virtual environment in .venv from the lock files, kdeploy itself.
# A second run finds a stamp in .venv and ends at once; it needs no network.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'set-up: %s\n' "$*"; }
die() {
    printf 'set-up: %s\n' "$*" >&2
    exit 1
}

usable_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for candidate in python3 python3.13 python3.12 python3.11 python3.14; do
        if command -v "$candidate" >/dev/null && usable_python "$candidate"; then
            "$candidate" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))'
            return
        fi
    done
    die "no Python 3.11 or newer found (tried python3, python3.13, .12, .11). Install one, for example: apt-get install python3.11"
}

# The system packages of the lists given, python3-* named after the Python in use; none of those if it is not the system's.
wanted_packages() {
    system_python=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2] if sys.base_prefix == "/usr" else "")')
    for list in "$@"; do
        while read -r package; do
            case $package in
                '' | '#'*) ;;
                python3-*) [ -z "$system_python" ] || echo "$system_python-${package#python3-}" ;;
                *) echo "$package" ;;
            esac
        done <"packaging/system-packages/$list.txt"
    done | sort -u
}

missing_packages() {
    wanted_packages "$@" | while read -r package; do
        case $(dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null) in
            *' installed') ;;
            *) echo "$package" ;;
        esac
    done | xargs
}

apt_install() {
    # shellcheck disable=SC2086 # one word per package, and an optional prefix
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends $1
}

# A server that came for the tests alone is not left listening.
stop_new_ssh_service() {
    case " $1 " in *' openssh-server '*) ;; *) return 0 ;; esac
    [ -d /run/systemd/system ] || return 0
    say "openssh-server is only needed as a program here: its service is switched off (systemctl enable --now ssh turns it on)"
    $as_root systemctl disable --now --quiet ssh.socket ssh.service || true
}

install_system_packages() {
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        say "this is not Debian or Ubuntu: please see that these are there: $(wanted_packages "$@" | xargs)"
        return 0
    fi
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    command="apt-get update && apt-get install --yes --no-install-recommends $missing"
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        say "missing system packages, and neither root nor sudo to install them. Please run as root:"
        say "    $command"
        say "going on with what works without them"
        return 0
    fi
    say "installing system packages: $missing"
    mkdir -p build
    rm -f .venv/.set-up-*
    if apt_install "$missing" >build/apt.log 2>&1 ||
        { $as_root apt-get update --quiet >build/apt.log 2>&1 && apt_install "$missing" >>build/apt.log 2>&1; }; then
        stop_new_ssh_service "$missing"
    else
        tail -n 5 build/apt.log >&2
        say "apt-get failed (all of it: build/apt.log); going on with what works. To try by hand: $command"
    fi
}

# What an installed .venv depends on; another value means: install again.
stamp_key() {
    { pwd && cat packaging/setup.sh packaging/locks/*.txt pyproject.toml kdeploy_gui/__init__.py; } | sha256sum
}

is_up_to_date() {
    [ -x .venv/bin/python ] && [ -x .venv/bin/kdeploy ] || return 1
    for set in "$@"; do
        [ "$(cat ".venv/.set-up-$set" 2>/dev/null)" = "$key" ] && usable_python .venv/bin/python && return 0
    done
    return 1
}

pip() { .venv/bin/python -m pip -qq --disable-pip-version-check --no-input "$@"; }

create_environment() {
    # The scripts in .venv hold its absolute path: a moved checkout needs a new one.
    if [ "$(cat .venv/.made-in 2>/dev/null)" = "$PWD" ] && usable_python .venv/bin/python; then
        return 0
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$python cannot create virtual environments (venv or ensurepip is missing); on Debian and Ubuntu install python3-venv"
    say "creating .venv with $("$python" --version) ($python)"
    "$python" -m venv --clear .venv
    pwd >.venv/.made-in
}

install_libvirt() {
    mkdir -p build
    pip install --require-hashes --no-build-isolation -r packaging/locks/libvirt.txt >build/libvirt.log 2>&1 ||
        say "libvirt-python could not be built (build/libvirt.log): virtual machines are left out, all else works"
}

# The test of the built wheel installs from this folder, so that it needs no network.
collect_wheels() {
    cmp -s packaging/locks/run.txt .venv/wheels/run.txt && return 0
    rm -rf .venv/wheels
    pip download --require-hashes -r packaging/locks/run.txt --dest .venv/wheels
    cp packaging/locks/run.txt .venv/wheels/
}

# What `make bench` compares with has an environment of its own: its packages are no business of kdeploy.
install_competitors() {
    if cmp -s packaging/locks/bench.txt .venv-bench/bench.txt && usable_python .venv-bench/bin/python; then return 0; fi
    say "installing the tools to compare with into .venv-bench"
    mkdir -p build
    if "$python" -m venv --clear .venv-bench >build/bench.log 2>&1 &&
        .venv-bench/bin/python -m pip -qq --disable-pip-version-check --no-input install --require-hashes \
            -r packaging/locks/bench.txt >>build/bench.log 2>&1; then
        cp packaging/locks/bench.txt .venv-bench/
    else
        rm -rf .venv-bench
        say "pyinfra and ansible-core could not be installed (build/bench.log): the comparison goes without them"
    fi
}

install_python_packages() {
    say "installing the Python packages of packaging/locks/$1.txt"
    pip install --require-hashes -r packaging/locks/build.txt -r "packaging/locks/$1.txt" ||
        die "the Python packages could not be installed; is there a network? The same command goes on from here"
    if [ "$1" = dev ]; then
        install_libvirt
        collect_wheels
    fi
    pip install --no-deps --no-build-isolation --editable .
    echo "$key" >".venv/.set-up-$1"
}

case ${1-} in
    demo) system="run gui" lock=gui enough="gui dev" ;;
    test) system="run gui test" lock=dev enough=dev ;;
    lab) system="run gui test kernels" lock=dev enough=dev ;;
    bench) system="run gui bench" lock=dev enough=dev ;;
    *) die "usage: packaging/setup.sh demo|test|lab|bench" ;;
esac

key=$(stamp_key)
python=$(find_python)
# shellcheck disable=SC2086 # lists of words
install_system_packages $system
# shellcheck disable=SC2086
if ! is_up_to_date $enough; then
    create_environment
    install_python_packages "$lock"
fi
if [ "$1" = bench ]; then install_competitors; fi
