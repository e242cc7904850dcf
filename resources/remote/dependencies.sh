# Which dependencies are there: `item<TAB>present|missing|broken<TAB>what it says of its version`. Changes nothing.
# $1: versions on offer are told too, as `offer<TAB>name<TAB>version`: all, quiet (only where asking writes nothing) or
# no. Then items: p:PACKAGE, c:PACKAGE (some version of it is asked for), t:COMMAND (must exist), v:COMMAND (its version
# is asked for), y:PACKAGE of Python, whose state may also be `managed` (not there, and pip may not bring it) or `no_pip`.
offers=$1
shift

tell_package() {
    name=${1#?:}
    if version=$(installed "$name"); then
        printf '%s\tpresent\t%s\n' "$1" "$version"
        [ "${1%%:*}" = c ] || return 0
    else
        printf '%s\tmissing\t\n' "$1"
    fi
    wanted="$wanted $name"
}

tell_command() {
    name=${1#?:}
    path=$(command -v -- "$name" 2>/dev/null)
    if [ -z "$path" ]; then
        printf '%s\tmissing\t\n' "$1"
    elif [ "${1%%:*}" = t ]; then
        printf '%s\tpresent\t%s\n' "$1" "$path"
    else
        said=$("$name" --version 2>&1 < /dev/null)
        status=$?
        said=$(printf '%s\n' "$said" | head -n 1)
        case $status in
            126 | 127) printf '%s\tbroken\t%s\n' "$1" "$said" ;;
            *) printf '%s\tpresent\t%s\n' "$1" "$said" ;;
        esac
    fi
}

look_into_python='
import os, sys, sysconfig
from importlib import util
try:
    from importlib.metadata import PackageNotFoundError, version
except ImportError:
    sys.exit(1)
managed = sys.prefix == sys.base_prefix and os.path.isfile(sysconfig.get_path("stdlib") + "/EXTERNALLY-MANAGED")
absent = "no_pip" if util.find_spec("pip") is None else "managed" if managed else "missing"
for item in sys.argv[1:]:
    try:
        print("%s\tpresent\t%s" % (item, version(item[2:])))
    except PackageNotFoundError:
        print("%s\t%s\t" % (item, absent))
'

wanted=
python=
for item do
    case $item in
        p:* | c:*) tell_package "$item" ;;
        y:*) python="$python $item" ;;
        *) tell_command "$item" ;;
    esac
done
if [ -n "$python" ] && ! python3 -B -c "$look_into_python" $python 2>/dev/null; then
    for item in $python; do printf '%s\tno_pip\t\n' "$item"; done
fi
[ -z "$wanted" ] || [ "$offers" = no ] || { [ "$offers" = quiet ] && [ -n "$writes_lists" ]; } ||
    offered $wanted | sed "s/^/offer$tab/"
exit 0
