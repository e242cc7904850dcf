# `allowtcpforwarding WORD` as the SSH server of this machine has it by its default settings; nothing where it does not tell.
for sshd in sshd /usr/sbin/sshd /usr/local/sbin/sshd; do
    command -v "$sshd" > /dev/null 2>&1 || continue
    "$(command -v "$sshd")" -T 2> /dev/null | grep -i '^allowtcpforwarding '
    exit 0
done
