package memredis

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"strings"
)

// Limits of one request, as a stranger on the loopback can send anything.
const (
	maxArgs   = 1 << 20
	maxBulk   = 64 << 20
	maxInline = 64 << 10
)

var errProtocol = errors.New("protocol error")

// readCommand reads one request: an array of bulk strings, or a line of words
// as a person types into a terminal. An empty request gives no words.
func readCommand(r *bufio.Reader) ([]string, error) {
	line, err := readLine(r)
	if err != nil {
		return nil, err
	}
	if line == "" || line[0] != '*' {
		return strings.Fields(line), nil
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil || n > maxArgs {
		return nil, errProtocol
	}
	var args []string
	for range n {
		arg, err := readBulk(r)
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
	}
	return args, nil
}

func readBulk(r *bufio.Reader) (string, error) {
	line, err := readLine(r)
	if err != nil {
		return "", err
	}
	if line == "" || line[0] != '$' {
		return "", errProtocol
	}
	n, err := strconv.Atoi(line[1:])
	if err != nil || n < 0 || n > maxBulk {
		return "", errProtocol
	}
	var b strings.Builder
	b.Grow(min(n, 1<<20)) // believe a length only as far as bytes arrive
	if _, err := io.CopyN(&b, r, int64(n)); err != nil {
		return "", err
	}
	_, err = r.Discard(2)
	return b.String(), err
}

func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", errProtocol
	}
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(line), "\r\n"), nil
}
