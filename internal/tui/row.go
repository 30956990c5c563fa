package tui

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/filter"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/timeline"
)

// maxPayload is how much of an event's payload a row keeps. A log of thousands
// of rows could otherwise hold gigabytes of values that nobody looks at.
const maxPayload = 4 << 10

// row is one event with what every region made of it.
type row struct {
	id     timeline.Key
	event  event.Event      // its payload cut to maxPayload
	size   int              // bytes of the whole payload
	whole  bool             // the payload was not cut
	reason string           // why it was rejected
	sights []timeline.Sight // by place in the list of regions

	origin, op, key, argument string // clean, as they are shown

	matched bool // passes the filter
	found   bool // is what the search looks for
}

func newRow(o api.Observation, regions int) *row {
	r := &row{id: timeline.KeyOf(o), whole: true, reason: clean(o.Reason), sights: make([]timeline.Sight, regions)}
	r.origin, _ = geo.Origin(o.Topic)
	r.event = o.Event
	r.key = clean(string(o.Event.Key))
	if !o.Decoded() {
		r.op = "?"
		return r
	}
	r.size = event.PayloadBytes(o.Event.Args)
	if r.size > maxPayload {
		r.event.Args, r.whole = cutArgs(o.Event.Args), false
	}
	r.op, r.argument = string(o.Event.Op()), clean(argumentText(r.event.Args, r.whole))
	return r
}

// kept is about how many bytes the row holds on to.
func (r *row) kept() int { return 600 + 2*min(r.size, maxPayload) + 2*len(r.event.Key) }

func (r *row) time() time.Time { return r.event.HLC.Time() }

// slowest is the longest delay to an apply so far.
func (r *row) slowest() time.Duration {
	var worst int64
	for _, s := range r.sights {
		if s.Applied() {
			worst = max(worst, s.AppliedDelayMS)
		}
	}
	return time.Duration(worst) * time.Millisecond
}

func (r *row) subject() filter.Subject {
	return filter.Subject{
		Key: string(r.event.Key), Op: r.op, Origin: r.origin, ID: r.event.ID,
		Argument: r.argument + " " + r.reason, Slowest: r.slowest(),
	}
}

// argumentText renders arguments as they are written on a command line.
func argumentText(args event.Args, whole bool) string {
	if incr, ok := args.(event.Incr); ok {
		if incr.Delta >= 0 {
			return "+" + event.QuoteWords(event.Operation{Args: incr}.Command()[2:])
		}
	}
	words := event.Operation{Args: args}.Command()[2:]
	if len(words) > 0 && args.Op() == event.OpXAdd {
		words = words[1:] // the * that every XADD has
	}
	text := event.QuoteWords(words)
	if !whole {
		text += " ..."
	}
	return text
}

// cutArgs keeps the first maxPayload bytes. What it returns shares nothing with
// what it was given.
func cutArgs(args event.Args) event.Args {
	room := maxPayload
	take := func(b []byte) []byte {
		b = bytes.Clone(b[:min(len(b), room)])
		room -= len(b)
		return b
	}
	list := func(items [][]byte) (kept [][]byte) {
		for _, b := range items {
			if room <= 0 {
				break
			}
			kept = append(kept, take(b))
		}
		return kept
	}
	pairs := func(fields []event.FieldValue) (kept []event.FieldValue) {
		for _, f := range fields {
			if room <= 0 {
				break
			}
			kept = append(kept, event.FieldValue{Field: take(f.Field), Value: take(f.Value)})
		}
		return kept
	}
	switch a := args.(type) {
	case event.Set:
		return event.Set{Value: take(a.Value), ExpireAtMS: a.ExpireAtMS}
	case event.SAdd:
		return event.SAdd{Members: list(a.Members)}
	case event.SRem:
		return event.SRem{Members: list(a.Members)}
	case event.ZRem:
		return event.ZRem{Members: list(a.Members)}
	case event.HDel:
		return event.HDel{Fields: list(a.Fields)}
	case event.HSet:
		return event.HSet{Fields: pairs(a.Fields)}
	case event.XAdd:
		return event.XAdd{Fields: pairs(a.Fields)}
	case event.XDel:
		return event.XDel{IDs: append([]event.StreamID(nil), a.IDs[:min(len(a.IDs), maxPayload/16)]...)}
	case event.ZAdd:
		var kept []event.ScoredMember
		for _, m := range a.Members {
			if room <= 0 {
				break
			}
			kept = append(kept, event.ScoredMember{Member: take(m.Member), Score: m.Score})
			room -= 8
		}
		return event.ZAdd{Members: kept}
	}
	return args
}

// command is the command line that would write the event again.
func (r *row) command() string {
	switch {
	case r.event.Args == nil:
		return ""
	case !r.whole: // too large to be typed: show where it can be read
		return "geokv tail --since beginning --exit -o jsonl " + event.QuoteWords([]string{"id:=" + r.event.ID})
	}
	return produceCommand(event.Operation{Region: r.origin, Key: r.event.Key, Args: r.event.Args})
}

// produceCommand is the command line that makes the operation.
func produceCommand(op event.Operation) string {
	words := op.Command()
	if len(words) == 0 {
		return ""
	}
	words[0] = strings.ToLower(words[0])
	region := ""
	if op.Region != "" {
		region = " --region " + op.Region
	}
	if slices.ContainsFunc(words, flagLike) {
		return "geokv produce" + region + " -- " + event.QuoteWords(words)
	}
	return "geokv produce " + event.QuoteWords(words) + region
}

// flagLike reports a word that a flag parser would take for its own; numbers
// are not.
func flagLike(word string) bool {
	_, err := strconv.ParseFloat(word, 64)
	return strings.HasPrefix(word, "-") && err != nil
}
