#!/bin/sh
# The CPU masks agree: online CPUs are present, present ones are possible. Reads only; no CPU is switched.
. "$(dirname -- "$0")/../lib/verdict.sh"

need awk
cpus=/sys/devices/system/cpu
[ -r $cpus/online ] || skip "sysfs does not list CPUs"

# cpu_list FILE: one number a line, from ranges such as 0-3,8.
cpu_list() {
    tr ',' '\n' < "$1" | awk -F- 'NF == 1 && $1 != "" { print $1 } NF == 2 { for (n = $1; n <= $2; n++) print n }'
}

# contains LIST NUMBER
contains() {
    case " $(printf '%s' "$1" | tr '\n' ' ') " in
        *" $2 "*) return 0 ;;
        *) return 1 ;;
    esac
}

present=$(cpu_list $cpus/present)
possible=$(cpu_list $cpus/possible)
count=0
for cpu in $(cpu_list $cpus/online); do
    contains "$present" "$cpu" || fail "CPU $cpu is online and not present"
    count=$((count + 1))
done
for cpu in $present; do
    contains "$possible" "$cpu" || fail "CPU $cpu is present and not possible"
done
[ "$count" -gt 0 ] || fail "no CPU is online"
switchable=0
for state in $cpus/cpu[0-9]*/online; do
    [ ! -e "$state" ] || switchable=$((switchable + 1))
done
note "$count CPUs online, $switchable can be switched off"
