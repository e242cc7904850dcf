# A private instance: the global buffer belongs to whoever traces there, and is compared before and after.
need_mount tracefs /sys/kernel/tracing
tracing=/sys/kernel/tracing
instance=$tracing/instances/kdeploy.$$

# One program for all of them: a kernel with KASAN in an emulated machine needs seconds to start one.
state() {
    set -- $(cd "$tracing" && exec cksum tracing_on current_tracer set_event set_ftrace_filter trace_options 2>/dev/null)
    state=$*
}

put() { { echo "$1" > "$instance/$2"; } 2>/dev/null; }

state
say state_before "$state"
later 'state; say state_after "$state"'
if ! mkdir "$instance" 2>/dev/null; then
    say because "tracefs has no instances, or no more can be made"
    exit 0
fi
later "rmdir $instance"
later "put nop current_tracer"
later "put 0 tracing_on"
put 64 buffer_size_kb
function=
for each in do_sys_openat2 do_sys_open vfs_open vfs_read; do
    if put "$each" set_ftrace_filter; then
        function=$each
        break
    fi
done
say function "$function"
if [ -z "$function" ]; then
    why=$(cat "$instance/set_ftrace_filter" 2>&1 > /dev/null)
    say because "no function can be traced: set_ftrace_filter: ${why##*: }"
    exit 0
fi
if ! put function current_tracer; then
    say because "the function tracer cannot be used in an instance"
    exit 0
fi
put 1 tracing_on
cat /proc/uptime > /dev/null
put 0 tracing_on
say hits "$(grep -c "$function" "$instance/trace")"
