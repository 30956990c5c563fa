package event_test

import (
	"testing"

	"github.com/geokv/geokv/internal/event"
)

func TestReceiptRoundTrip(t *testing.T) {
	r := event.Receipt{
		EventID: "01HX", Region: "eu", Topic: "eu.events", Partition: 6, Offset: 41,
		HLC:  event.Stamp{PhysicalMS: 1_800_000_000_000, Logical: 1024, Region: "eu"},
		Slot: 3, Incarnation: 1_700_000_000_000_000, Seq: 17, Outcome: event.Durable,
	}
	text, err := event.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"event_id":"01HX","region":"eu","topic":"eu.events","partition":6,"offset":41,` +
		`"hlc":{"physical_ms":1800000000000,"logical":1024,"region":"eu"},"slot":3,"incarnation":1700000000000000,"seq":17,"outcome":"durable"}`
	if string(text) != want {
		t.Errorf("got %s\nwant %s", text, want)
	}
	if back, err := event.ParseReceipt(" " + string(text) + "\n"); err != nil || back != r {
		t.Errorf("JSON reads back as %+v, %v", back, err)
	}
	if got, want := r.Token(), "eu/6/3.1700000000000000/17/1800000000000-1024"; got != want {
		t.Errorf("got token %s, want %s", got, want)
	}
	back, err := event.ParseReceipt(r.Token())
	r.EventID, r.Offset, r.Outcome = "", -1, event.FateUnknown // what a token leaves out
	if err != nil || back != r {
		t.Errorf("token reads back as %+v, %v", back, err)
	}
}

func TestParseReceiptRefuses(t *testing.T) {
	for _, text := range []string{
		"", "{}", "{", "eu/6/3.1/17", "eu/6/3.1/17/1-1/x", "EU/6/3.1/17/1-1", "eu/12/3.1/17/1-1", "eu/-1/3.1/17/1-1",
		"eu/6/1024.1/17/1-1", "eu/6/3.0/17/1-1", "eu/6/3.1/0/1-1", "eu/6/3.1/17/1", "eu/6/3.1/17/-1-1", "eu/6/3.1/17/281474976710656-0",
		"eu/6/3.1/17/1-16777216", `{"region":"eu","partition":6,"slot":3,"incarnation":1,"seq":0}`,
	} {
		if r, err := event.ParseReceipt(text); err == nil {
			t.Errorf("ParseReceipt(%q) = %+v, want an error", text, r)
		}
	}
}
