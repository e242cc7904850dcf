need_mount debugfs /sys/kernel/debug
stats=/sys/kernel/debug/kfence/stats

allocations() { sed -n 's/^total allocations: *//p' "$stats"; }

first=$(allocations)
last=$first
rounds=0
while [ "$last" = "$first" ] && [ "$rounds" -lt 20 ]; do
    sleep 1
    last=$(allocations)
    rounds=$((rounds + 1))
done
say before "$first"
say after "$last"
