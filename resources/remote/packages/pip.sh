# pip of the system's Python: for root into it, for others into their home folder.
own=
[ "$(id -u)" = 0 ] || own=--user
PIP_ROOT_USER_ACTION=ignore
export PIP_ROOT_USER_ACTION

pip() { run python3 -m pip install --no-input --disable-pip-version-check --retries 2 $own "$@"; }

at_version() { printf '%s%s' "$1" "$2"; }
add() { pip -- "$@"; }
add_files() { pip --no-index -- "$@"; }

meaning() {
    case $1 in
        *"externally-managed-environment"*) echo managed ;;
        *"No module named pip"* | *"python3: not found"* | *"'python3': No such file"*) echo no_pip ;;
        *) if is_unreachable "$1"; then echo unreachable
           else case $1 in *"No matching distribution found"*) echo unknown ;; *) echo failed ;; esac; fi ;;
    esac
}
