# dpkg alone: it installs files and knows no package sources.
locks='/var/lib/dpkg/lock-frontend /var/lib/dpkg/lock'
repair='dpkg --configure -a'
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND

installed() {
    told=$(dpkg-query -W -f '${db:Status-Abbrev} ${Version}' -- "$1" 2>/dev/null) || return 1
    case $told in
        ?i*) printf '%s' "${told##* }" ;;
        *) return 1 ;;
    esac
}

add_files() { run dpkg --force-confdef --force-confold -i -- "$@"; }

meaning() {
    case $1 in
        *"dpkg frontend lock was locked"* | *"dpkg database lock was locked"* | *"is locked by another process"*) echo locked ;;
        *"dpkg was interrupted"*) echo half ;;
        *) echo failed ;;
    esac
}
