#!/bin/sh
# tracefs is there and offers the function tracer. Reads only; no tracer is switched.
. "$(dirname -- "$0")/../lib/verdict.sh"

for tracing in /sys/kernel/tracing /sys/kernel/debug/tracing; do
    if [ -r $tracing/available_tracers ]; then
        tracers=$(cat $tracing/available_tracers)
        case " $tracers " in
            *" function "*) ;;
            *) fail "the function tracer is missing (CONFIG_FUNCTION_TRACER); there are: $tracers" ;;
        esac
        note "tracers: $tracers; current: $(cat $tracing/current_tracer)"
        exit 0
    fi
done
skip "tracefs is not mounted or not readable for this user"
