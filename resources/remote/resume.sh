# Go on with a file of which the first bytes are staged since its transfer was cut short.
# $1: name of the staging folders, $2: who deploys, $3: the staged file, $4: bytes of it that are there, $5: bytes it shall
# have. stdin: those that are missing.
# Exit status: 10 folders, 11 writing, 16 cut short or no longer there, 75 locked.
set -u
umask 077
token=$1
phase=10
find_state
lock
[ -n "$state" ] && [ -f "$state/$token.staging" ] && [ -f "$3" ] && [ "$(wc -c < "$3")" -eq "$4" ] || exit 16
read_record "$state/$token.staging"
owner=$2

end() {
    status=$?
    trap '' EXIT TERM HUP INT PIPE USR1
    case $status in 0 | 16) ;; *) forget ;; esac
    exit "$status"
}

trap end EXIT
trap 'exit 143' TERM INT
trap 'exit 16' HUP PIPE USR1
begin || exit 10
cat >> "$3" || exit 11
[ "$(wc -c < "$3")" -eq "$5" ] || exit 16
exit 0
