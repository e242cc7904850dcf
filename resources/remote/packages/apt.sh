# apt-get and dpkg.
locks='/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock'
repair='dpkg --configure -a'
DEBIAN_FRONTEND=noninteractive
APT_LISTCHANGES_FRONTEND=none
NEEDRESTART_MODE=a
export DEBIAN_FRONTEND APT_LISTCHANGES_FRONTEND NEEDRESTART_MODE

installed() {
    told=$(dpkg-query -W -f '${db:Status-Abbrev} ${Version}' -- "$1" 2>/dev/null) || return 1
    case $told in
        ?i*) printf '%s' "${told##* }" ;;
        *) return 1 ;;
    esac
}

# From the cache as it is, else from one in memory: neither writes.
offered() {
    { apt-cache -o APT::Cache::Generate=false madison -- "$@" 2>/dev/null ||
        apt-cache -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= madison -- "$@" 2>/dev/null; } |
        sed -n "s/^ *\([^ |]*\) *| *\([^ |]*\) *|.* Packages\$/\1$tab\2/p"
}

apt() {
    run apt-get -y -q -o DPkg::Lock::Timeout=0 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold "$@"
}

refresh() { apt update; }
at_version() { printf '%s=%s' "$1" "$2"; }
add() { apt --no-install-recommends install -- "$@"; }
add_files() { add "$@"; }

meaning() {
    case $1 in
        *"ould not get lock"* | *"nable to acquire the dpkg frontend lock"* | *"is another process using it"*) echo locked ;;
        *"dpkg frontend lock was locked"* | *"dpkg database lock was locked"*) echo locked ;;
        *"dpkg was interrupted"*) echo half ;;
        *"nable to locate package"* | *"no installation candidate"* | *"Version '"*"' for '"*"' was not found"*) echo unknown ;;
        *) if is_unreachable "$1"; then echo unreachable; else echo failed; fi ;;
    esac
}
