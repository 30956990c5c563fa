package fold

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/geokv/geokv/internal/event"
)

// maxLine bounds a line: the largest record, each byte of it written as \u00xx.
const maxLine = 8 << 20

// readLines puts every acceptable event of in into the spool.
func readLines(ctx context.Context, in io.Reader, to *spool, sum *Summary, rejected func(int, error)) error {
	reader := bufio.NewReaderSize(in, 64<<10)
	var line []byte
	for number := 1; ; number++ {
		var err error
		line, err = nextLine(reader, line[:0])
		if err != nil && err != io.EOF {
			return fmt.Errorf("read events: %w", err)
		}
		if text := bytes.TrimSpace(line); len(text) > 0 {
			sum.Lines++
			e, bad := parse(text)
			var block *BlockError
			switch {
			case errors.As(bad, &block):
				block.Line = number
				return block
			case bad != nil:
				sum.Rejected++
				if rejected != nil {
					rejected(number, bad)
				}
			default:
				if err := to.partOf(e.Key).append(e.Key, text); err != nil {
					return err
				}
			}
		}
		if err == io.EOF {
			return nil
		}
		if number%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// nextLine appends a line without its end to buf. What exceeds maxLine is left
// out, so that the line fails as JSON.
func nextLine(r *bufio.Reader, buf []byte) ([]byte, error) {
	for {
		piece, err := r.ReadSlice('\n')
		if len(buf) <= maxLine {
			buf = append(buf, piece...)
		}
		if err != bufio.ErrBufferFull {
			return buf, err
		}
	}
}

// parse reads one event. The error is a *BlockError without its line, or a
// *event.RejectError.
func parse(text []byte) (event.Event, error) {
	var e event.Event
	if len(text) > maxLine {
		return e, event.Reject("record too large", "a line of more than %d bytes", maxLine)
	}
	err := e.UnmarshalJSON(text)
	if err == nil {
		return e, e.Validate()
	}
	if later := fromTheFuture(text, err); later != nil {
		return e, &BlockError{Err: later}
	}
	if event.AsReject(err) != nil {
		return e, err
	}
	return e, event.Reject("bad json", "%v", err)
}

// fromTheFuture answers why a newer version may understand what this one does
// not; nil when none can.
func fromTheFuture(text []byte, err error) error {
	var unknown *event.UnknownOpError
	if errors.As(err, &unknown) {
		return unknown
	}
	var head struct {
		MinVersion int      `json:"min_ver"`
		Op         event.Op `json:"op"`
	}
	if json.Unmarshal(text, &head) == nil && head.MinVersion > event.FormatVersion {
		return fmt.Errorf("operation %q needs format version %d, this version understands %d", string(head.Op), head.MinVersion, event.FormatVersion)
	}
	return nil
}
