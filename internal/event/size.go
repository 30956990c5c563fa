package event

// Size is about how many bytes an operation's arguments hold in memory. It is
// for bounds on buffers, not for the wire.
func Size(args Args) int {
	const header = 24 // what a byte slice holds beside its bytes
	bytes, slices := measure(args)
	return bytes + header*slices
}

// PayloadBytes is the length of all values, members and fields of an operation;
// a number counts 8, a stream id 16.
func PayloadBytes(args Args) int {
	bytes, _ := measure(args)
	return bytes
}

// measure counts bytes, and the slices they are in.
func measure(args Args) (bytes, slices int) {
	const number, id = 8, 16
	switch a := args.(type) {
	case Set:
		return len(a.Value), 1
	case Incr:
		return number, 0
	case SAdd:
		return measureAll(a.Members)
	case SRem:
		return measureAll(a.Members)
	case ZRem:
		return measureAll(a.Members)
	case HDel:
		return measureAll(a.Fields)
	case ZAdd:
		for _, m := range a.Members {
			bytes += len(m.Member) + number
		}
		return bytes, len(a.Members)
	case HSet:
		return measurePairs(a.Fields)
	case XAdd:
		return measurePairs(a.Fields)
	case XDel:
		return id * len(a.IDs), 0
	case XTrim:
		return id, 0
	}
	return 0, 0
}

func measureAll(items [][]byte) (bytes, slices int) {
	for _, b := range items {
		bytes += len(b)
	}
	return bytes, len(items)
}

func measurePairs(fields []FieldValue) (bytes, slices int) {
	for _, f := range fields {
		bytes += len(f.Field) + len(f.Value)
	}
	return bytes, 2 * len(fields)
}
