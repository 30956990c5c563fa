package cli

import (
	"context"
	"io"
)

// interruptible reads in until ctx ends. It reads aside, since a read from a
// terminal cannot be interrupted.
func interruptible(ctx context.Context, in io.Reader) io.Reader {
	reader, writer := io.Pipe()
	go func() {
		_, err := io.Copy(writer, in)
		writer.CloseWithError(err)
	}()
	context.AfterFunc(ctx, func() { writer.CloseWithError(context.Cause(ctx)) })
	return reader
}
