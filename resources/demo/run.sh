#!/bin/sh
# Run the tests of this suite, all or those named (`run.sh smoke memory`), and report in TAP.
# Exit status: 0 all passed or skipped, 1 some failed, 2 an unknown test was named.
suite=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$suite/conf/suite.conf"

if [ $# -eq 0 ]; then
    for script in "$suite"/tests/*.sh; do
        name=${script##*/}
        set -- "$@" "${name%.sh}"
    done
fi
for name in "$@"; do
    if [ ! -f "$suite/tests/$name.sh" ]; then
        echo "run.sh: there is no test '$name'" >&2
        exit 2
    fi
done

limited() {
    if command -v timeout > /dev/null 2>&1; then
        timeout "$SUITE_TIMEOUT" "$@"
    else
        "$@"
    fi
}

echo "TAP version 13"
echo "1..$#"
number=0
failed=0
for name in "$@"; do
    number=$((number + 1))
    limited sh "$suite/tests/$name.sh"
    case $? in
        0) echo "ok $number $name" ;;
        4) echo "ok $number $name # SKIP" ;;
        124) echo "not ok $number $name # TIMEOUT after $SUITE_TIMEOUT s"; failed=$((failed + 1)) ;;
        *) echo "not ok $number $name"; failed=$((failed + 1)) ;;
    esac
done
[ "$failed" -eq 0 ]
