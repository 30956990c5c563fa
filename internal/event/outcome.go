package event

// Outcome says what applying an event to a view did.
type Outcome string

// The outcomes. Superseded means no visible effect at the end of its batch;
// an event of which any element won counts as applied.
const (
	Applied    Outcome = "applied"
	Superseded Outcome = "superseded"
	Duplicate  Outcome = "duplicate"
	Rejected   Outcome = "rejected"
	Unknown    Outcome = "unknown" // derived from the position; the detail was missed
)
