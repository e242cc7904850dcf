# zypper, after rpm.sh.
pid_files='/run/zypp.pid /var/run/zypp.pid'
writes_lists=yes
ZYPP_LOCK_TIMEOUT=0
export ZYPP_LOCK_TIMEOUT

# From 100 on its statuses tell of success with something to know, but for 104 and 105.
zypper() {
    run zypper --non-interactive "$@"
    ended=$?
    case $ended in 10[01236] | 107) return 0 ;; esac
    return "$ended"
}

offered() {
    zypper --no-refresh search --details --match-exact --type package "$@" 2>/dev/null |
        sed -n "s/^[^|]*| *\([^ |]*\) *| *package *| *\([^ |]*\) *|.*/\1$tab\2/p"
}

refresh() { zypper refresh; }
at_version() { printf '%s=%s' "$1" "$2"; }
add() { zypper install --no-recommends -- "$@"; }
add_files() { zypper --no-refresh install --no-recommends --allow-unsigned-rpm -- "$@"; }

meaning() {
    rpm_meaning "$1" && return 0
    case $2 in
        7) echo locked && return 0 ;;
        104) echo unknown && return 0 ;;
    esac
    case $1 in
        *"is locked by the application with pid"*) echo locked ;;
        *"not found in package names"* | *"No provider of '"*) echo unknown ;;
        *) if is_unreachable "$1"; then echo unreachable; else echo failed; fi ;;
    esac
}
