# What shows which instruments this kernel has and which are on. Changes nothing.
# $1: `kind<TAB>word` a line: `config NAME`, `symbol NAME`, `file PATH`, `each PATTERN` (files), `there PATTERN`,
# `log REGEX` (what lines of the kernel's log to tell), `tool NAME`, `process NAME`.
# stdout, `key<TAB>value` a line; a file's lines as `line<TAB>PATH<TAB>text`, why one cannot be read as
# `unread<TAB>PATH<TAB>reason`. The last line is `end`.
LC_ALL=C
PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin
export LC_ALL PATH

tab='	'
newline='
'

say() { printf '%s\t%s\n' "$1" "$2"; }

# All files at once, by one process: on an emulated board each costs a second. Of an empty one only its name is told.
tell_files() {
    for file do say file "$file"; done
    grep -H -m 100 '' -- "$@" 2>&1 | sed -n \
        -e "s|^grep: \\(/[^:]*\\): \\(.*\\)|unread$tab\\1$tab\\2|p" -e t -e "s|^\\(/[^:]*\\):|line$tab\\1$tab|p"
}

# Whether something matches a pattern: the first that does, nothing where none does, or why that cannot be told.
tell_there() {
    for match in $1; do
        if [ -e "$match" ] || [ -L "$match" ]; then
            printf 'there\t%s\t%s\n' "$1" "$match"
            return
        fi
    done
    folder=${1%%[*?]*}
    folder=${folder%/*}
    while [ -n "$folder" ] && [ ! -e "$folder" ]; do folder=${folder%/*}; done
    folder=${folder:-/}
    if [ -d "$folder" ] && { [ ! -x "$folder" ] || [ ! -r "$folder" ]; }; then
        printf 'unread\t%s\tPermission denied\n' "$1"
    else
        printf 'there\t%s\t\n' "$1"
    fi
}

# printk is in every kernel that tells its symbols. Names can be read where addresses are hidden. The file is slow to
# read, so it is read once, and not at all where the kernel shows its own configuration.
tell_symbols() {
    [ -r /proc/kallsyms ] || return 0
    grep -E " ($1|printk|_printk)(\$|[[:space:]])" /proc/kallsyms 2>/dev/null | while read -r _ _ name _; do
        case $name in
            printk | _printk) say symbols read ;;
            *) say symbol "$name" ;;
        esac
    done
}

# A log that does not begin with the boot has lost its beginning.
tell_log() {
    { dmesg 2>&1 && echo 'dmesg ends'; } | grep -E -- "^dmesg|^klogctl|Linux version |$1" | cut -c 1-240 | head -n 500 |
        while IFS= read -r text_line; do
            case $text_line in
                'dmesg ends') ;;
                dmesg:* | klogctl:*) say unread "dmesg$tab${text_line##*: }" ;;
                *) say log "$text_line" ;;
            esac
        done
}

source=
configs=
symbols=
logs=
say uid "$(id -u)"
say machine "$(uname -m)"
for each in release:/proc/sys/kernel/osrelease build:/proc/sys/kernel/version boot_id:/proc/sys/kernel/random/boot_id \
    cmdline:/proc/cmdline compiler:/proc/version; do
    { IFS= read -r text_line < "${each#*:}"; } 2>/dev/null || text_line=
    say "${each%%:*}" "$text_line"
done
while read -r first second; do say filesystem "${second:-$first}"; done < /proc/filesystems
while read -r _ mount kind _; do
    case $kind in debugfs | tracefs | securityfs | configfs | pstore | bpf) say mount "$kind$tab$mount" ;; esac
done < /proc/mounts
processes=
for file in /proc/[0-9]*/comm; do
    { IFS= read -r text_line < "$file"; } 2>/dev/null && processes="$processes$newline$text_line$newline"
done

asked=$1
set --
while IFS=$tab read -r kind word; do
    case $kind in
        config) configs="$configs${configs:+|}$word" ;;
        symbol) symbols="$symbols${symbols:+|}$word" ;;
        log) logs="$logs${logs:+|}$word" ;;
        file) set -- "$@" "$word" ;;
        each) for file in $word; do [ ! -e "$file" ] || set -- "$@" "$file"; done ;;
        there) tell_there "$word" ;;
        tool) say tool "$word$tab$(command -v -- "$word" 2>/dev/null)" ;;
        process) case $processes in *"$newline$word$newline"*) say process "$word" ;; esac ;;
    esac
done << END
$asked
END
[ $# -eq 0 ] || tell_files "$@"
[ -z "$configs" ] || tell_config "$configs"
[ -z "$symbols" ] || [ "$source" = /proc/config.gz ] || tell_symbols "$symbols"
[ -z "$logs" ] || tell_log "$logs"
say end ""
