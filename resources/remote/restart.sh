# Restarts this machine a moment later, with a clean end of all services where it has that; says so.
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

leave() {
    sleep 1
    if [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then systemctl reboot && return; fi
    sync
    reboot
}

trap '' HUP
(leave) </dev/null >/dev/null 2>&1 &
echo restarting
