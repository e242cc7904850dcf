# What a plan wants to be checked from here. Changes nothing.
# $1: `config<TAB>NAME`, `tcp<TAB>HOST PORT`, `dns<TAB>NAME` or `icmp<TAB>HOST` a line; the host `workstation` is where
# this connection comes from. stdout: what kernel_config.sh tells, and `probe<TAB>KIND HOST PORT<TAB>ok`, `failed` or
# `unknown` (nothing here can try it) with a reason behind another tab.
LC_ALL=C
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH
tab='	'
source=

say() { printf '%s\t%s\n' "$1" "$2"; }

has() { command -v "$1" > /dev/null 2>&1; }

# Old busybox wants the seconds behind -t, and some boards have no timeout at all.
limited() {
    if ! has timeout; then "$@"; elif timeout 1 true 2>/dev/null; then timeout 5 "$@"; else timeout -t 5 "$@"; fi
}

last_line() { printf '%s' "$1" | tail -n 1 | tr '\t' ' '; }

try_tcp() {
    if has bash && bash -c '[ -n "$BASH_VERSION" ]' 2>/dev/null; then # busybox may call itself bash, and has no /dev/tcp
        why=$(limited bash -c 'exec 3<> "/dev/tcp/$0/$1"' "$1" "$2" 2>&1)
    elif has nc; then
        # It goes on while the other side is silent: what is still there when `limited` ends it has its connection.
        why=$(limited nc -w 3 "$1" "$2" < /dev/null 2>&1 > /dev/null)
        case $? in 0 | 124 | 143) ;; *) return 1 ;; esac
    elif has python3; then
        why=$(limited python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 4)' "$1" "$2" 2>&1)
    else
        unknown=yes
        why='bash, nc and python3 are missing'
        return 1
    fi
}

try_dns() {
    if has getent; then
        why=$(limited getent hosts "$1" 2>&1)
    elif has nslookup; then
        why=$(limited nslookup "$1" 2>&1)
    else
        unknown=yes
        why='getent and nslookup are missing'
        return 1
    fi
}

try_icmp() {
    if ! has ping; then
        unknown=yes
        why='ping is missing'
        return 1
    fi
    why=$(limited ping -c 1 -W 3 "$1" 2>&1)
}

configs=
asked=$1
while IFS=$tab read -r kind words; do
    case $kind in
        config) configs="$configs${configs:+|}$words" ;;
        tcp | dns | icmp)
            host=${words%% *}
            [ "$host" != workstation ] || host=${SSH_CONNECTION%% *}
            unknown= why=
            if "try_$kind" "$host" "${words#* }"; then
                printf 'probe\t%s %s\tok\t\n' "$kind" "$words"
            elif [ -n "$unknown" ]; then
                printf 'probe\t%s %s\tunknown\t%s\n' "$kind" "$words" "$why"
            else
                printf 'probe\t%s %s\tfailed\t%s\n' "$kind" "$words" "$(last_line "$why")"
            fi
            ;;
    esac
done << END
$asked
END
[ -z "$configs" ] || tell_config "$configs"
say end ""
