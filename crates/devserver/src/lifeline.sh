# Runs "$@" so that it never outlives the process that holds the other end of this script's stdin.
# Started as the leader of its own process group. Each line on stdin is a signal to pass on to the
# program; end of file means that the holder is gone, so the whole group goes too. The watcher belongs
# to the group, which keeps the number of the group from being given to anybody else meanwhile.
exec 3<&0
(
    trap '' HUP INT TERM
    while read -r signal <&3; do
        kill -s "$signal" "$$"
    done
    kill -s KILL -- "-$$"
) >/dev/null 2>&1 &
exec "$@" 3<&- </dev/null
