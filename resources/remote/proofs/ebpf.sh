if command -v bpftool > /dev/null 2>&1; then
    if said=$(bpftool prog list 2>&1); then say bpftool yes; else say bpftool_failed "$(printf '%s' "$said" | head -n 1)"; fi
fi
if command -v bpftrace > /dev/null 2>&1; then
    if said=$(bpftrace -e 'BEGIN { exit(); }' 2>&1); then say bpftrace yes; else say bpftrace_failed "$(printf '%s' "$said" | tail -n 1)"; fi
fi
