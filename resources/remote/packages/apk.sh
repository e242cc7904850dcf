# apk.
locks='/lib/apk/db/lock /run/apk/db.lock /usr/lib/apk/db/lock'
repair='apk fix'

installed() {
    told=$(apk info -e -v -- "$1" 2>/dev/null) && [ -n "$told" ] && printf '%s' "${told#"$1"-}"
}

offered() {
    for name do
        apk policy -- "$name" 2>/dev/null | sed -n "s/^  \([^ ]*\):\$/$name$tab\1/p"
    done
}

refresh() { run apk update; }
at_version() { printf '%s=%s' "$1" "$2"; }
add() { run apk add -- "$@"; }
add_files() { run apk add --allow-untrusted -- "$@"; }

meaning() {
    case $1 in
        *"Unable to lock database: temporary error"* | *"Unable to lock database: Resource temporarily"*) echo locked ;;
        *"Unable to lock database: try again later"* | *"ailed to open apk database: temporary"*) echo locked ;;
        *"no such package"* | *"breaks: world["*) if is_unreachable "$1"; then echo unreachable; else echo unknown; fi ;;
        *) if is_unreachable "$1"; then echo unreachable; else echo failed; fi ;;
    esac
}
