# dnf and yum, after rpm.sh.
locks="$locks /run/dnf/rpmtransaction.lock"
pid_files='/var/cache/dnf/metadata_lock.pid /var/cache/dnf/download_lock.pid /var/lib/dnf/rpmdb_lock.pid /var/run/yum.pid'
writes_lists=yes

# By default dnf waits for others without an end; here that is for the workstation to do, which says so.
dnf() { run "$manager" -y --setopt=install_weak_deps=False --setopt=exit_on_lock=True "$@"; }

offered() {
    dnf -q list --showduplicates "$@" 2>/dev/null | while read -r name version _; do
        case $name in
            Available) available=yes ;;
            *.*) [ -z "${available:-}" ] || printf '%s\t%s\n' "${name%.*}" "$version" ;;
        esac
    done
}

refresh() { dnf makecache; }
at_version() { printf '%s-%s' "$1" "$2"; }
add() { dnf install -- "$@"; }
add_files() { dnf install -- "$@"; }

meaning() {
    rpm_meaning "$1" && return 0
    case $1 in
        *"another copy is running as pid"* | *"ailed to obtain the transaction lock"* | *"Another app is currently holding"*) echo locked ;;
        *"nable to find a match"* | *"No match for argument"* | *"No package "*" available"* | *"Nothing to do"*) echo unknown ;;
        *) if is_unreachable "$1"; then echo unreachable; else echo failed; fi ;;
    esac
}
