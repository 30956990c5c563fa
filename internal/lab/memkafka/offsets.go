package memkafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The head of a record batch, of which the checksum covers what follows it: not
// the offset, on which everything above a log stands.
const (
	batchHead       = 27 // up to and with lastOffsetDelta
	batchLengthAt   = 8
	lastOffsetDelta = 23
	beforeLength    = 12 // bytes that the length does not count
)

// checkOffsets reads the heads of all stored batches and returns an error when
// their offsets do not follow on each other. kfake checks the checksums and cuts
// a log at the first that is wrong; it believes any offset. Logs of geokv have
// no gaps: they are neither compacted nor transactional.
func checkOffsets(dataDir string) error {
	if dataDir == "" {
		return nil
	}
	return filepath.WalkDir(filepath.Join(dataDir, "partitions"), func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a directory that was never used
		}
		if err != nil || d.IsDir() || filepath.Ext(path) != ".dat" {
			return err
		}
		return checkSegment(path)
	})
}

// checkSegment stops without an error at a batch that is cut short, which a
// crash leaves behind.
func checkSegment(path string) error {
	first, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(path), ".dat"), 10, 64)
	if err != nil {
		return nil // no segment
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var head [batchHead]byte
	for at, want := int64(0), first; ; {
		if _, err := f.ReadAt(head[:], at); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		length := int32(binary.BigEndian.Uint32(head[batchLengthAt:]))
		if length <= 0 {
			return nil // zeros after a power loss: kfake cuts here
		}
		if got := int64(binary.BigEndian.Uint64(head[:])); got != want {
			return fmt.Errorf("%s: the batch at byte %d says offset %d where %d follows", path, at, got, want)
		}
		want += int64(binary.BigEndian.Uint32(head[lastOffsetDelta:])) + 1
		at += beforeLength + int64(length)
	}
}
