package view

import (
	"context"
	"errors"
	"fmt"

	"github.com/geokv/geokv/internal/event"
)

// Apply merges the batch in one atomic step and returns one outcome per added
// event, in order of Add: Applied or Superseded.
//
// ErrHold, ErrStale, *CorruptError, *RepairError and *BlockedError mean that
// nothing was written. After any other error, of which *ScriptError is one, the
// batch may or may not have taken effect: read the position again.
func (db *DB) Apply(ctx context.Context, b *Batch) ([]event.Outcome, error) {
	xsetid, err := db.hasXSETID(ctx)
	if err != nil {
		return nil, fmt.Errorf("apply: %w", refusal(err))
	}
	for {
		r := b.encode(xsetid)
		reply, err := run(ctx, db.clients.apply, db.scripts.apply, r.keys, r.args...)
		if err != nil {
			return nil, broken(refusal(err))
		}
		again, outcomes, err := db.answer(ctx, b, r, reply)
		if !again {
			return outcomes, err
		}
	}
}

// answer reads the script's reply. again means that nothing was written and the
// batch is to be sent once more.
func (db *DB) answer(ctx context.Context, b *Batch, r *request, reply any) (again bool, _ []event.Outcome, _ error) {
	list, ok := reply.([]any)
	if !ok || len(list) == 0 {
		return false, nil, fmt.Errorf("apply: unexpected reply %v", reply)
	}
	switch status, _ := list[0].(string); status {
	case "OK":
		text, _ := list[1].(string)
		if len(text) != len(r.owners) {
			return false, nil, fmt.Errorf("apply: %d outcomes for %d units", len(text), len(r.owners))
		}
		outcomes := b.outcomes(r, text)
		if left, _ := list[2].(int64); left > 0 {
			if err := db.Resume(ctx, b.partition()); err != nil {
				// the batch has taken effect; the next one finishes the rest first
				db.cfg.Logger.Warn("long work is left for the next batch", "partition", b.partition(), "err", err)
			}
		}
		return false, outcomes, nil
	case "HOLD":
		return false, nil, ErrHold
	case "STALE":
		rng := b.Ranges[number(list[1])]
		return false, nil, fmt.Errorf("%w: %s/%d is at %v, the batch starts at %d", ErrStale, rng.Topic, rng.Partition, list[2], rng.From)
	case "CORRUPT":
		rng := b.Ranges[number(list[1])]
		return false, nil, &CorruptError{rng.Topic, rng.Partition}
	case "DIRTY":
		if err := db.Resume(ctx, b.partition()); err != nil {
			return false, nil, err
		}
		return true, nil, nil
	case "REPAIR":
		return repair(b, r, list[1:])
	default:
		return false, nil, fmt.Errorf("apply: unexpected reply %q", status)
	}
}

// repair unfolds what this batch itself has summed, which may be all that was
// in the way, before it asks for the log.
func repair(b *Batch, r *request, list []any) (again bool, _ []event.Outcome, _ error) {
	e := &RepairError{}
	for i := 0; i+1 < len(list); i += 2 {
		g := r.groups[number(list[i])]
		if b.hasSums(g) {
			g.unfold, again = true, true
		}
		since, _ := list[i+1].(string)
		e.Keys = append(e.Keys, RepairKey{Key: g.key, Since: parseStamp(since)})
	}
	if again {
		return true, nil, nil
	}
	return false, nil, e
}

func number(v any) int {
	n, _ := v.(int64)
	return int(n)
}

// Resume does the long work that a batch of the partition left, chunk by chunk:
// the burial of large containers, late entries deep in large streams. Apply does
// it by itself, before and after a batch; a worker that takes a partition over
// calls it too, in case its predecessor died in between and no batch comes.
//
// Without such work it is one small question.
func (db *DB) Resume(ctx context.Context, partition int32) error {
	dirty, err := db.clients.apply.Exists(ctx, dirtyKey(partition)).Result()
	if err == nil && dirty == 0 {
		return nil
	}
	var xsetid bool
	if err == nil {
		xsetid, err = db.hasXSETID(ctx)
	}
	for err == nil {
		var left any
		left, err = run(ctx, db.clients.apply, db.scripts.sweep, []string{dirtyKey(partition)}, flag(xsetid))
		if n, ok := left.(int64); err == nil && !ok {
			err = errors.New("unexpected reply")
		} else if n == 0 && err == nil {
			return nil
		}
	}
	return fmt.Errorf("finish long work of partition %d: %w", partition, refusal(err))
}
