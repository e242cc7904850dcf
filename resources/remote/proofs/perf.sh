say version "$(perf --version 2>&1 | head -n 1)"

# The number of an event, `<not supported>`, or what perf said.
count() { perf stat -x, -e "$1" true 2>&1 > /dev/null | grep -v '^#' | grep -v '^$' | tail -n 1 | cut -d, -f1; }

say task_clock "$(count task-clock)"
say cycles "$(count cycles)"
folder=$(mktemp -d 2>/dev/null || mktemp -d -t kdeploy.XXXXXX) || exit 0
later "rm -rf $folder"
# Its cache of build ids would stay in the home folder.
if HOME=$folder perf record -q -o "$folder/data" -e cpu-clock sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done' > "$folder/log" 2>&1; then
    say record "$(wc -c < "$folder/data") bytes"
else
    say record_failed "$(tail -n 1 "$folder/log")"
fi
