package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/geokv/geokv/internal/fail"
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

// byteOrderMark is what some editors begin a UTF-8 file with.
var byteOrderMark = []byte("\xef\xbb\xbf")

// eachLine calls fn for every line that is not blank, with its number from 1,
// until the input or ctx ends. A line that is too long is handed on cut to maxLine.
// With an error comes the number of the line that was not taken.
func eachLine(ctx context.Context, in io.Reader, fn func(number int, line []byte) error) (int, error) {
	reader := bufio.NewReaderSize(interruptible(ctx, in), 64<<10)
	for number := 1; ; number++ {
		line, err := readLine(reader)
		if ctx.Err() != nil {
			return number, ctx.Err()
		}
		if number == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if len(bytes.TrimSpace(line)) > 0 {
			if err := fn(number, line); err != nil {
				return number, err
			}
		}
		if errors.Is(err, io.EOF) {
			return 0, nil
		}
		if err != nil {
			return number, fail.Wrap(fail.Internal, err, "read standard input")
		}
	}
}

func readLine(reader *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := reader.ReadSlice('\n')
		if room := maxLine - len(line); room > 0 {
			line = append(line, part[:min(len(part), room)]...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}
