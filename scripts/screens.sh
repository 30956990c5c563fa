#!/usr/bin/env bash
# Takes the tour of docs/tui.md in a real terminal and puts what it shows into the
# document (between its "screen" marks) and into the README's pictures
# (docs/screens/*.svg). Needs tmux and awk. Everything runs in a temporary
# directory; no cluster of yours is touched.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
go build -o "$work/geokv" ./cmd/geokv # before HOME moves: it holds the build cache
socket=geokv-screens-$$
export HOME=$work XDG_RUNTIME_DIR=$work/run XDG_DATA_HOME=$work/data XDG_CONFIG_HOME=$work/config GEOKV_DATA= TZ=UTC LC_ALL=C.UTF-8
mkdir -p "$work/run" "$work/screens"
chmod 700 "$work/run"

t() { tmux -L "$socket" "$@"; }
trap 't kill-server 2>/dev/null || true; rm -rf "$work"' EXIT

# start W H ARGS...: geokv tui in a terminal of W x H cells.
start() {
	local w=$1 h=$2
	shift 2
	t -f /dev/null new-session -d -s tour -x "$w" -y "$h" -e COLORTERM=truecolor \
		"'$work/geokv' tui --data '$work/cluster' $*; echo ended with \$?; sleep 600"
	t set -g default-terminal tmux-256color
}
stop() { t kill-server 2>/dev/null || true; sleep 1; }
screen() { t capture-pane -p -t tour; }

# key KEYS...: presses keys; typed TEXT: types a text.
key() { for k; do t send-keys -t tour "$k"; sleep 0.3; done; }
typed() { t send-keys -t tour -l "$1"; sleep 0.4; }

# await TEXT: waits until the screen shows it; gone TEXT: until it does not.
await() {
	for _ in $(seq 400); do
		if screen | grep -qF -- "$1"; then return; fi
		sleep 0.2
	done
	echo "\"$1\" did not appear on:" >&2
	screen >&2
	exit 1
}
gone() {
	for _ in $(seq 400); do
		if ! screen | grep -qF -- "$1"; then return; fi
		sleep 0.2
	done
	echo "\"$1\" did not go away" >&2
	exit 1
}

# shot NAME: keeps the screen as text; picture NAME W H: as SVG too.
shot() { screen | sed 's/ *$//' >"$work/screens/$1"; echo "  $1"; }
picture() {
	mkdir -p docs/screens
	t capture-pane -p -e -t tour >"$work/picture"
	awk -v width="$2" -v height="$3" -f scripts/ansi2svg.awk "$work/picture" >"docs/screens/$1.svg"
	echo "  docs/screens/$1.svg"
}
# write REGION OPERATION: from the palette, in the region that is selected.
select_region() { key 1 Left Left; for _ in $(seq "$1"); do key Right; done; }
run() { key :; typed "$1"; key Enter; }

echo "the tour, 100x30"
start 100 30
await "no cluster was running"
await "all agree"
shot start

key w
await "in one region, for all"
typed "inventory:lastSeen"
key Up s s s
await "[set]"
key Down Down
typed "'seen by nobody yet'"
key Enter
await "durable"
sleep 1
shot write
key Escape
gone "receipt"

select_region 2
key c
await "cut ap off?"
shot cut
key y
await "ap cut"
await "ap is cut off"

run "set inventory:lastSeen 'ap says: in the shop'"
await "durable"
key Escape
gone "receipt"
select_region 0
run "set inventory:lastSeen 'us says: sold out'"
await "durable"
key Escape
gone "receipt"
for n in 1 2 3; do
	run "incr sales:total $n"
	await "durable"
	key Escape
	gone "receipt"
done
select_region 2
run "incr sales:total 10"
await "durable"
key Escape
gone "receipt"
await "keys differ"
key 2
sleep 1
shot conflict

key 1 h
await "all agree"
key 2
sleep 1
shot heal

run "inspect inventory:lastSeen"
await "the same in every region"
shot inspect
key Escape
gone "the same in every region"

key 2 Home Down Enter
await "outcome"
shot event
key Escape End

select_region 2
key x
await "stop ap?"
key y
await "ap down"
select_region 0
run "incr sales:total 100"
await "durable"
key Escape
gone "receipt"
key 2
sleep 1
shot down
key 1 Right Right r
await "ap up"
await "all agree"
key 2
sleep 1
shot back
key q
await "ended with 0"
stop

echo "the pictures, 130x42"
rm -rf "$work/cluster"
start 130 42 --sim 8 --theme dark
await "running 8/s"
sleep 12
picture live 130 42
select_region 2
key c y
await "ap cut"
sleep 6
key 2
sleep 1
picture cut 130 42
run "heal ap"
await "all agree"
key s
await "simulator stopped"
await "all agree"
run "inspect sales:total"
await "the same in every region"
sleep 2
picture inspect 130 42
stop

# Put the screens between their marks in the document.
awk -v dir="$work/screens" '
	/^<!-- screen: / {
		print
		name = $3
		print "```text"
		while ((getline line < (dir "/" name)) > 0) print line
		print "```"
		skip = 1
		next
	}
	/^<!-- end -->/ { skip = 0 }
	!skip { print }
' docs/tui.md >"$work/tui.md"
cp "$work/tui.md" docs/tui.md
