package event

// Size is about how many bytes an operation's arguments hold in memory. It is
// for bounds on buffers, not for the wire.
func Size(args Args) int {
	const number, id = 8, 16
	switch a := args.(type) {
	case Set:
		return header + len(a.Value)
	case Incr:
		return number
	case SAdd:
		return sizeOfAll(a.Members)
	case SRem:
		return sizeOfAll(a.Members)
	case ZRem:
		return sizeOfAll(a.Members)
	case HDel:
		return sizeOfAll(a.Fields)
	case ZAdd:
		n := 0
		for _, m := range a.Members {
			n += header + len(m.Member) + number
		}
		return n
	case HSet:
		return sizeOfPairs(a.Fields)
	case XAdd:
		return sizeOfPairs(a.Fields)
	case XDel:
		return id * len(a.IDs)
	case XTrim:
		return id
	}
	return 0
}

// header is what a byte slice holds beside its bytes.
const header = 24

func sizeOfAll(items [][]byte) (n int) {
	for _, b := range items {
		n += header + len(b)
	}
	return n
}

func sizeOfPairs(fields []FieldValue) (n int) {
	for _, f := range fields {
		n += 2*header + len(f.Field) + len(f.Value)
	}
	return n
}
