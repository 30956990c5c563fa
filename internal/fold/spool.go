package fold

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"os"
)

// parts is how many parts the keys are split into: a fold holds about one of
// so many keys in memory.
const parts = 128

// spool is a set of temporary files, one per part of the keys.
type spool struct {
	parent string // where the directory goes; "" is the system's
	dir    string // made when memory does not suffice
	parts  [parts]*part
}

func newSpool(parent string) *spool {
	s := &spool{parent: parent}
	for i := range s.parts {
		s.parts[i] = &part{create: func() (*os.File, error) { return s.create(i) }}
	}
	return s
}

// create makes the file of part i, and the directory at the first.
func (s *spool) create(i int) (*os.File, error) {
	var err error
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp(s.parent, "geokv-fold-"); err != nil {
			return nil, fmt.Errorf("make a temporary directory: %w", err)
		}
	}
	file, err := os.Create(fmt.Sprintf("%s/%03d", s.dir, i))
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	return file, nil
}

func (s *spool) close() {
	for _, p := range s.parts {
		if p.file != nil {
			p.file.Close() // nothing in it is needed any more
		}
	}
	if s.dir != "" {
		os.RemoveAll(s.dir)
	}
}

// partOf returns the part that holds a key.
func (s *spool) partOf(key []byte) *part {
	h := fnv.New32a()
	h.Write(key)
	return s.parts[h.Sum32()%parts]
}

// part is an appendable file of (key, line) records. Memory serves as long as
// there is little to hold.
type part struct {
	create  func() (*os.File, error)
	file    *os.File // nil while memory suffices
	pending []byte   // not yet in the file
	written int64    // bytes in the file
}

const pendingMax = 32 << 10

func (p *part) empty() bool { return p.written == 0 && len(p.pending) == 0 }

func (p *part) append(key, line []byte) error {
	p.pending = binary.AppendUvarint(p.pending, uint64(len(key)))
	p.pending = append(p.pending, key...)
	p.pending = binary.AppendUvarint(p.pending, uint64(len(line)))
	p.pending = append(p.pending, line...)
	if len(p.pending) < pendingMax {
		return nil
	}
	return p.spill()
}

func (p *part) spill() (err error) {
	if p.file == nil {
		if p.file, err = p.create(); err != nil {
			return err
		}
	}
	n, err := p.file.Write(p.pending)
	p.written += int64(n)
	p.pending = p.pending[:0]
	if err != nil {
		return fmt.Errorf("write a temporary file: %w", err)
	}
	return nil
}

// records reads the part from its beginning.
func (p *part) records() *records {
	var file io.Reader = bytes.NewReader(nil)
	if p.file != nil {
		file = io.NewSectionReader(p.file, 0, p.written)
	}
	return &records{r: bufio.NewReaderSize(io.MultiReader(file, bytes.NewReader(p.pending)), 16<<10)}
}

// records iterates over a part. key and line are valid until the next call.
type records struct {
	r         *bufio.Reader
	key, line []byte
}

// next reads a record; false at the end.
func (r *records) next() (bool, error) {
	var err error
	if r.key, err = r.field(r.key); err == io.EOF {
		return false, nil
	}
	if err == nil {
		r.line, err = r.field(r.line)
	}
	if err != nil {
		return false, fmt.Errorf("read a temporary file: %w", err)
	}
	return true, nil
}

func (r *records) field(buf []byte) ([]byte, error) {
	n, err := binary.ReadUvarint(r.r)
	if err != nil {
		return nil, err
	}
	if uint64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	_, err = io.ReadFull(r.r, buf)
	return buf, err
}
