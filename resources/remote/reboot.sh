# Restarts the machine a moment later, its services and file systems ended as it does that by itself. The answer is one
# line: `leaving`, or `refused`, a tab and why; then nothing was changed.
LC_ALL=C; export LC_ALL

refuse() {
    printf 'refused\t%s\n' "$1"
    exit 0
}

[ "$(id -u)" -eq 0 ] || refuse 'only root may restart it'
if [ -d /run/systemd/system ] && command -v systemctl >/dev/null; then
    set -- systemctl reboot
else
    command -v reboot >/dev/null || refuse 'there is no command reboot'
    set -- reboot
fi
trap '' HUP
(sleep 1; sync; "$@") </dev/null >/dev/null 2>&1 &
echo leaving
