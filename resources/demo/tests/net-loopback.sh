#!/bin/sh
# The loopback interface is up, its MTU is sane and packets come back.
. "$(dirname -- "$0")/../lib/verdict.sh"

lo=/sys/class/net/lo
[ -d $lo ] || skip "this network namespace has no loopback interface"
[ $(($(cat $lo/flags) & 1)) -eq 1 ] || fail "lo is down"
mtu=$(cat $lo/mtu)
[ "$mtu" -ge "$MIN_LOOPBACK_MTU" ] || fail "the MTU of lo is $mtu, at least $MIN_LOOPBACK_MTU is needed"
need ping
before=$(cat $lo/statistics/rx_packets)
ping -c 1 -w 5 127.0.0.1 > /dev/null 2>&1 || skip "this user may not send ICMP echo requests"
after=$(cat $lo/statistics/rx_packets)
[ "$after" -gt "$before" ] || fail "lo counted no packet ($before before, $after after)"
note "MTU $mtu, $((after - before)) packets received"
