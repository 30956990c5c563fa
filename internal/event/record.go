package event

// Record is one record of a log as it is stored: what mirrors move without
// looking inside and what materializers decode.
type Record struct {
	Topic       string
	Partition   int32
	Offset      int64 // -1 while not yet appended
	Epoch       int32 // of the leader that took it; -1 when not known
	Key, Value  []byte
	Headers     []Header
	TimestampMS int64
}

// Header is one record header; names may repeat.
type Header struct {
	Key   string
	Value []byte
}
