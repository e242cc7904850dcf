# Hands on what the kernel logs from now on, until stdin ends. A line that is one RS (octal 36) says: what came so far
# was there before, and may come again. RS and words: the log cannot be followed, and why. $1: the device of records.
LC_ALL=C; export LC_ALL

old() { printf '\036\n'; }
refuse() { printf '\036%s\n' "$1"; }
newest() { dmesg 2>/dev/null | tail -n "$1"; }

# A child of which nothing is left when this shell is told to end.
child() {
    "$@" 2>/dev/null & child=$!
    trap 'kill "$child" 2>/dev/null; exit 0' TERM
    wait "$child"
}

follow() {
    if [ "${KDEPLOY_KERNEL_LOG:-}" = no ]; then
        refuse 'KDEPLOY_KERNEL_LOG=no is set there'
    elif ! command -v dmesg >/dev/null; then
        refuse 'dmesg is missing there'
    elif dmesg --help 2>&1 | grep -q -e --follow-new && dmesg >/dev/null 2>&1; then
        old
        child dmesg --follow-new
        refuse 'dmesg ended'
    elif (: <"$1") 2>/dev/null; then
        newest 1 | grep . || printf '[%s]\n' "$(cut -d ' ' -f 1 /proc/uptime)"
        while old; do
            child cat "$1"
            child sleep 1
        done
    elif was=$(dmesg 2>&1); then
        was=$(newest 200)
        printf '%s\n' "$was"
        old
        while child sleep 0.5 || child sleep 1; do
            now=$(newest 200)
            [ "$now" = "$was" ] || { printf '%s\n' "$now"; old; }
            was=$now
        done
    else
        refuse "$(printf '%s\n' "$was" | tail -n 1)"
    fi
}

follow "$1" </dev/null &
cat >/dev/null
kill -TERM $! 2>/dev/null
wait
