"""The shell scripts that are run in a container to look at its processes, and to send them signals.

They use a POSIX shell's builtins alone: the image needs nothing but `sh`. A signal that is to be taken back also needs
`sleep`: before it is sent, a watchdog is left in the container that sends the other signal once its time is over,
whatever became of us. A command that makes a server not ready is guarded in the same way.

In each, $1 says which processes: a name, a number with its start (`17:8837`), or `*` for every one but process 1, to
which the kernel delivers no stop from inside, and but those that came by an exec. `*` is only taken where this shell
came by an exec itself, from outside of the container: so it is never the whole host.
"""

__all__ = [
    "COMMAND",
    "FIRST",
    "LOOK",
    "NOBODY",
    "REFUSED",
    "SIGNAL",
    "SURVEY",
    "UNGUARDED",
    "WATCHDOG",
]

NOBODY, REFUSED, FIRST, UNGUARDED = 3, 4, 5, 6
"""Exit codes of `SIGNAL`; `COMMAND` has the last one."""

WATCHDOG = "gameday-"
"""How the name of a watchdog begins; it has 15 characters in all, so that the kernel drops the line's end."""

OURS = f"{WATCHDOG}???????"

FIND = f"""
begun() {{
  line=; {{ while read -r part; do line="$line $part"; done < "/proc/$1/stat"; }} 2>/dev/null
  set -- ${{line##*) }}
  state=${{1:-}} parent=${{2:-}} start=${{20:-}}; [ -n "$start" ]
}}
guarding() {{
  above=; {{ read -r above < "/proc/$parent/comm"; }} 2>/dev/null
  case $above in {OURS}) return 0;; esac
  return 1
}}
spared() {{
  case $2 in {OURS}) return 0;; esac
  [ "$PPID" != 0 ] || [ "$1" = 1 ] || ! begun "$1" || [ "$parent" = 0 ] || guarding
}}
called() {{
  found=
  for dir in /proc/[0-9]*; do
    pid=${{dir#/proc/}} name=
    {{ read -r name < "$dir/comm"; }} 2>/dev/null || continue
    case $1 in
      '*') spared "$pid" "$name" && continue;;
      [0-9]*:[0-9]*) [ "$pid" = "${{1%:*}}" ] || continue;;
      *) [ "$name" = "$1" ] || continue;;
    esac
    [ "$dir" != "/proc/$$" ] && begun "$pid" || continue
    case $1 in [0-9]*:[0-9]*) [ "$start" = "${{1#*:}}" ] || continue;; esac
    found="$found $pid:$start"
  done
}}
"""

LOOK = f"""{FIND}
called "$1"
for one in $found; do
  begun "${{one%:*}}" && ! guarding && echo "${{one%:*}} $state"
done
exit 0
"""
"""Lists these processes with their states, but for this very shell and what a watchdog sleeps in."""

SURVEY = f"""{FIND}
sleep 0 2>/dev/null && echo sleep
for dir in /proc/[0-9]*; do
  pid=${{dir#/proc/}} name= size=0
  {{ read -r name < "$dir/comm"; }} 2>/dev/null || continue
  [ "$pid" != "$$" ] && begun "$pid" && ! guarding || continue
  case $name in {OURS}) continue;; esac
  {{ while read -r key value rest; do
    [ "$key" = VmRSS: ] && size=$value
  done < "$dir/status"; }} 2>/dev/null
  echo "$pid $start $parent $state $size $name"
done
exit 0
"""
"""Says `sleep` if the image has it, and lists all processes but ours: number, start, parent, state, KiB, name."""

GUARD = """
watch() {
  exec < /dev/null 2> /dev/null
  trap '' HUP
  trap 'kill "$nap"; wait "$nap"; exit' TERM
  echo "$1" > /proc/self/comm && sleep 0 || exit
  echo ready
  exec > /dev/null
  sleep "$2" & nap=$!
  wait "$nap"
  shift 2
  "$@"
}
"""
"""A watchdog called $1 that does the rest of its words after $2 seconds."""

SIGNAL = f"""{FIND}{GUARD}
take_back() {{
  for one in $targets; do
    begun "${{one%:*}}" && [ "$start" = "${{one#*:}}" ] && kill -s "$1" "${{one%:*}}"
  done
}}
earlier=
if [ -n "$3" ]; then called "$3"; earlier=$found; fi
called "$1"; targets=$found
case $targets in *" 1:"*) exit {FIRST};; esac
if [ "$5" != 0 ] && [ -n "$targets" ]; then
  [ -n "$(watch "$3" "$5" take_back "$4" &)" ] || exit {UNGUARDED}
fi
sent=
for one in $targets; do
  if kill -s "$2" "${{one%:*}}"; then sent=yes; echo "${{one%:*}}"; continue; fi
  begun "${{one%:*}}" && exit {REFUSED}
done
for one in $earlier; do kill -s TERM "${{one%:*}}"; done 2> /dev/null
[ -n "$sent" ] || exit {NOBODY}
"""
"""Sends these processes the signal $2. Unless $5 is 0, a watchdog called $3 is first left that will send the signal $4
after $5 seconds, to those of them that still are the same process. Earlier watchdogs of that name end."""

COMMAND = f"""{FIND}{GUARD}
dog=$1 after=$2; shift 2
called "$dog"; earlier=$found
if [ "$after" != 0 ]; then
  [ -n "$(watch "$dog" "$after" "$@" &)" ] || exit {UNGUARDED}
fi
for one in $earlier; do kill -s TERM "${{one%:*}}"; done 2> /dev/null
exit 0
"""
"""Unless $2 is 0, leaves a watchdog called $1 that runs the words after $2 so many seconds later. Earlier ones end."""
