package memkafka

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// The head of a record batch as it is stored. The checksum covers what follows
// it: neither the length nor the offset, on which everything above a log stands.
const (
	headBytes       = 27 // up to and with lastOffsetDelta
	lengthAt        = 8
	beforeLength    = 12 // bytes that the length does not count
	checksumAt      = 17
	checksummedAt   = 21
	lastOffsetDelta = 23
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// prepareStored looks through the stored logs before kfake opens them.
//
// kfake checks the checksums too, and cuts a log at the first that is wrong; but
// where it closed the log well before, it goes on with the size from before the
// cut, and everything appended after it cannot be read. Without its snapshot of
// the partition it counts again, so that is removed.
//
// And kfake believes any offset. The error is about offsets that do not follow
// on each other: geokv's logs are neither compacted nor transactional.
func prepareStored(dataDir string) error {
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
		whole, err := checkSegment(path)
		if err != nil || whole {
			return err
		}
		err = os.Remove(filepath.Join(filepath.Dir(path), "snapshot.json"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// checkSegment reads a segment up to its first damaged batch; whole says that
// there is none.
func checkSegment(path string) (whole bool, err error) {
	next, err := strconv.ParseInt(strings.TrimSuffix(filepath.Base(path), ".dat"), 10, 64)
	if err != nil {
		return true, nil // no segment
	}
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<20)
	for {
		batch, err := readBatch(r)
		switch {
		case errors.Is(err, io.EOF):
			return true, nil
		case errors.Is(err, errDamaged):
			return false, nil
		case err != nil:
			return false, err
		case batch.first != next:
			return false, fmt.Errorf("%s: a batch says offset %d where %d follows", path, batch.first, next)
		}
		next += batch.records
	}
}

var errDamaged = errors.New("damaged batch")

type storedBatch struct{ first, records int64 }

// readBatch reads one batch and checks its checksum. The error is io.EOF at the
// end, errDamaged for what is cut short or changed.
func readBatch(r *bufio.Reader) (storedBatch, error) {
	var head [headBytes]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return storedBatch{}, damagedAt(err)
	}
	length := int64(int32(binary.BigEndian.Uint32(head[lengthAt:])))
	if length < headBytes-beforeLength {
		return storedBatch{}, errDamaged
	}
	sum := crc32.New(castagnoli)
	sum.Write(head[checksummedAt:])
	if _, err := io.CopyN(sum, r, length+beforeLength-headBytes); err != nil {
		return storedBatch{}, damagedAt(io.ErrUnexpectedEOF)
	}
	if sum.Sum32() != binary.BigEndian.Uint32(head[checksumAt:]) {
		return storedBatch{}, errDamaged
	}
	return storedBatch{
		first:   int64(binary.BigEndian.Uint64(head[:])),
		records: int64(binary.BigEndian.Uint32(head[lastOffsetDelta:])) + 1,
	}, nil
}

func damagedAt(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return errDamaged
	}
	return err
}
