# opkg.
locks='/var/lock/opkg.lock /run/opkg.lock /usr/lib/opkg/lock /var/lib/opkg/lock'
repair='opkg configure'
writes_lists=yes

installed() {
    told=$(opkg status "$1" 2>/dev/null)
    case $told in
        *"Status: install "*" installed"*) printf '%s\n' "$told" | sed -n 's/^Version: //p' | head -n 1 ;;
        *) return 1 ;;
    esac
}

offered() {
    for name do
        run opkg list "$name" 2>/dev/null | sed -n "s/^$name - \([^ ]*\).*/$name$tab\1/p"
    done
}

refresh() { run opkg update; }
at_version() { printf '%s' "$1"; }
add() { run opkg install "$@"; }
add_files() { run opkg install "$@"; }

meaning() {
    case $1 in
        *"ould not lock"* | *"ould not obtain"*"lock"*) echo locked ;;
        *"nknown package '"* | *"find anything to satisfy"*) if is_unreachable "$1"; then echo unreachable; else echo unknown; fi ;;
        *) if is_unreachable "$1"; then echo unreachable; else echo failed; fi ;;
    esac
}
