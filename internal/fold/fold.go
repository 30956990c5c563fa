// Package fold turns a set of events into views, outside any cluster: events as
// JSON lines in any order and with repeats go in, one canonical view per key
// comes out, in byte order of key. It is the merge rules as a pure function, by
// the reference model or by the scripts on a given Redis, for audits, tests and
// curiosity.
//
// The input streams through temporary files, partitioned by key, so that memory
// holds one part of the keys at a time. The same files are the log from which
// the scripts' counters are repaired.
package fold

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/geokv/geokv/internal/crdt"
)

// Engine folds one part of the keys after the other.
type Engine interface {
	// fold applies a part's events in the order of the input, chunk by chunk
	// (0: as the engine likes), and emits the views of its keys as of now
	// (milliseconds) in byte order of key.
	fold(ctx context.Context, p *part, chunk int, now int64, emit func(crdt.View) error) error
}

// Options say how to fold.
type Options struct {
	Engine  Engine // required
	Now     int64  // milliseconds; decides expiry
	Chunk   int    // events per batch; 0: as the engine likes
	TempDir string // where temporary files go; "" is the system's

	// Rejected is told of every line that is no acceptable event, in order;
	// lines count from 1. The others are folded all the same. nil ignores them.
	Rejected func(line int, err error)
}

// Summary counts what a fold did.
type Summary struct {
	Lines    int // lines that were not blank
	Rejected int // lines that are no acceptable event
	Views    int // lines written
}

// BlockError is a line that a newer version of geokv may understand. A fold
// without it would be wrong, so nothing is written.
type BlockError struct {
	Line int
	Err  error
}

// Error names line and reason.
func (e *BlockError) Error() string { return fmt.Sprintf("line %d: BLOCK: %v", e.Line, e.Err) }

// Unwrap returns the reason.
func (e *BlockError) Unwrap() error { return e.Err }

// Run folds the events of in and writes the views to out, one line of canonical
// JSON each. Nothing is written before the input has been read to its end.
// The error is a *BlockError, one of reading, writing or of the engine.
func Run(ctx context.Context, in io.Reader, out io.Writer, o Options) (Summary, error) {
	var sum Summary
	events := newSpool(o.TempDir)
	defer events.close()
	if err := readLines(ctx, in, events, &sum, o.Rejected); err != nil {
		return sum, err
	}
	views := newSpool(o.TempDir)
	defer views.close()
	for i, p := range events.parts {
		if err := o.foldPart(ctx, p, views.parts[i]); err != nil {
			return sum, err
		}
	}
	w := bufio.NewWriterSize(out, 64<<10)
	var err error
	sum.Views, err = mergeParts(ctx, views.parts, w)
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return sum, fmt.Errorf("write views: %w", err)
	}
	return sum, nil
}

// foldPart writes the views of one part's keys, in order, to another part.
func (o Options) foldPart(ctx context.Context, p, views *part) error {
	if p.empty() {
		return nil
	}
	var line []byte
	return o.Engine.fold(ctx, p, o.Chunk, o.Now, func(v crdt.View) error {
		if v.Empty() {
			return nil
		}
		line = v.AppendCanonical(line[:0])
		return views.append(v.Key, line)
	})
}
