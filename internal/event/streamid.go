package event

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/geokv/geokv/internal/hlc"
)

// StreamID is the id of a stream entry: milliseconds and a sequence.
type StreamID struct{ MS, Seq uint64 }

// IDFromHLC derives the id of an entry from its event's stamp:
// physical, then logical*10 + region index. The order of ids is the order of
// stamps, since a region index is one decimal digit.
func IDFromHLC(t hlc.Timestamp) StreamID {
	return StreamID{uint64(t.Physical), uint64(t.Logical)*10 + uint64(t.Region)}
}

// Compare orders ids as Redis does.
func (id StreamID) Compare(other StreamID) int {
	if c := cmp.Compare(id.MS, other.MS); c != 0 {
		return c
	}
	return cmp.Compare(id.Seq, other.Seq)
}

// String renders the id as Redis prints it.
func (id StreamID) String() string {
	return strconv.FormatUint(id.MS, 10) + "-" + strconv.FormatUint(id.Seq, 10)
}

// ParseStreamID reads "ms-seq"; "ms" alone means sequence 0, as in Redis.
func ParseStreamID(s string) (StreamID, error) {
	msText, seqText, hasSeq := strings.Cut(s, "-")
	ms, err := parseCanonicalUint(msText)
	var seq uint64
	if err == nil && hasSeq {
		seq, err = parseCanonicalUint(seqText)
	}
	if err != nil {
		return StreamID{}, fmt.Errorf("stream id %q: want <milliseconds>-<sequence>", s)
	}
	return StreamID{ms, seq}, nil
}

func parseCanonicalUint(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err == nil && strconv.FormatUint(n, 10) != s {
		err = strconv.ErrSyntax
	}
	return n, err
}
