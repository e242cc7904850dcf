# rpm alone, and what all that stand on it share: by itself it installs files and knows no package sources.
locks='/var/lib/rpm/.rpm.lock /usr/lib/sysimage/rpm/.rpm.lock'
repair='rpm --rebuilddb'

installed() { rpm -q --qf '%{VERSION}-%{RELEASE}' -- "$1" 2>/dev/null; }
add_files() { run rpm -U -- "$@"; }

rpm_meaning() {
    case $1 in
        *"create transaction lock on"* | *"waiting for transaction lock"*) echo locked ;;
        *"rpmdb open failed"* | *"rpmdb: BDB"* | *"unfinished transactions remaining"* | *"rpmdb: damaged"*) echo half ;;
        *) return 1 ;;
    esac
}

meaning() { rpm_meaning "$1" || echo failed; }
