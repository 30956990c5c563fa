package event

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/hlc"
	"github.com/geokv/geokv/internal/lane"
)

// Stamp is an HLC timestamp as it stands in JSON, with the region's name.
type Stamp struct {
	PhysicalMS int64  `json:"physical_ms"`
	Logical    uint32 `json:"logical"`
	Region     string `json:"region"`
}

// StampOf renders t with the name of its region.
func StampOf(t hlc.Timestamp, region string) Stamp {
	return Stamp{t.Physical, t.Logical, region}
}

// Durability is the fate of an append.
type Durability string

// A failed append is an error, not a receipt.
const (
	Durable     Durability = "durable" // in the local log
	FateUnknown Durability = "unknown" // may be or become durable; retry with the same event id
)

// Receipt answers a write. With Token any region can be asked whether it has it.
type Receipt struct {
	EventID     string     `json:"event_id"`
	Region      string     `json:"region"`
	Topic       string     `json:"topic"`
	Partition   int32      `json:"partition"`
	Offset      int64      `json:"offset"` // -1 while the fate is unknown
	HLC         Stamp      `json:"hlc"`
	Slot        uint16     `json:"slot"`
	Incarnation int64      `json:"incarnation"`
	Seq         int64      `json:"seq"`
	Outcome     Durability `json:"outcome"`
}

// Lane returns the lane the write went through.
func (r Receipt) Lane() lane.ID { return lane.ID{Slot: r.Slot, Incarnation: r.Incarnation} }

// Token renders the parts of the receipt that identify the write, compact
// enough for a command line: region/partition/slot.incarnation/seq/physical-logical.
func (r Receipt) Token() string {
	return fmt.Sprintf("%s/%d/%s/%d/%d-%d", r.Region, r.Partition, r.Lane(), r.Seq, r.HLC.PhysicalMS, r.HLC.Logical)
}

// ParseReceipt reads a receipt's JSON or its Token.
func ParseReceipt(text string) (Receipt, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "{") {
		var r Receipt
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			return Receipt{}, fmt.Errorf("receipt: %w", err)
		}
		return r, r.check()
	}
	parts := strings.Split(text, "/")
	if len(parts) != 5 {
		return Receipt{}, fmt.Errorf("receipt %q: want JSON or region/partition/lane/seq/stamp as printed by produce", text)
	}
	partition, err1 := strconv.ParseInt(parts[1], 10, 32)
	id, err2 := lane.ParseID(parts[2])
	seq, err3 := strconv.ParseInt(parts[3], 10, 64)
	physText, logText, _ := strings.Cut(parts[4], "-")
	phys, err4 := strconv.ParseInt(physText, 10, 64)
	logical, err5 := strconv.ParseUint(logText, 10, 32)
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			return Receipt{}, fmt.Errorf("receipt %q: want region/partition/lane/seq/stamp as printed by produce", text)
		}
	}
	r := Receipt{
		Region: parts[0], Topic: geo.Topic(parts[0]), Partition: int32(partition), Offset: -1,
		HLC:  Stamp{phys, uint32(logical), parts[0]},
		Slot: id.Slot, Incarnation: id.Incarnation, Seq: seq, Outcome: FateUnknown,
	}
	return r, r.check()
}

func (r Receipt) check() error {
	switch {
	case !geo.ValidName(r.Region):
		return fmt.Errorf("receipt: region %q", r.Region)
	case r.Partition < 0 || r.Partition >= geo.Partitions:
		return fmt.Errorf("receipt: partition %d, want 0 to %d", r.Partition, geo.Partitions-1)
	case !r.Lane().Valid() || r.Seq < 1:
		return fmt.Errorf("receipt: lane %s seq %d", r.Lane(), r.Seq)
	case r.HLC.PhysicalMS < 0 || r.HLC.PhysicalMS > hlc.MaxPhysical || r.HLC.Logical > hlc.MaxLogical:
		return fmt.Errorf("receipt: stamp %d-%d", r.HLC.PhysicalMS, r.HLC.Logical)
	}
	return nil
}
