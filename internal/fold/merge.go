package fold

import (
	"bufio"
	"bytes"
	"container/heap"
	"context"
)

// mergeParts writes the lines of all parts, each ordered by key, in the order
// of their keys and returns how many there were.
func mergeParts(ctx context.Context, parts [parts]*part, w *bufio.Writer) (n int, err error) {
	var h keyHeap
	for _, p := range parts {
		if p.empty() {
			continue
		}
		r := p.records()
		more, err := r.next()
		if err != nil {
			return 0, err
		}
		if more {
			h = append(h, r)
		}
	}
	heap.Init(&h)
	for ; len(h) > 0; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return n, context.Cause(ctx)
		}
		w.Write(h[0].line) // the next write or Flush returns its error
		if err := w.WriteByte('\n'); err != nil {
			return n, err
		}
		more, err := h[0].next()
		if err != nil {
			return n, err
		}
		if more {
			heap.Fix(&h, 0)
		} else {
			heap.Pop(&h)
		}
	}
	return n, nil
}

// keyHeap orders readers by the key they stand at.
type keyHeap []*records

func (h keyHeap) Len() int           { return len(h) }
func (h keyHeap) Less(i, j int) bool { return bytes.Compare(h[i].key, h[j].key) < 0 }
func (h keyHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *keyHeap) Push(x any)        { *h = append(*h, x.(*records)) }
func (h *keyHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
