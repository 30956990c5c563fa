package mirror

import (
	"testing"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/polltest"
)

// recreate deletes a topic and makes it again, empty.
func (w *world) recreate(region, topic string) {
	w.t.Helper()
	broker := w.kafka[region].Cluster()
	if err := broker.DeleteTopic(topic); err != nil {
		w.t.Fatal(err)
	}
	if err := broker.CreateTopic(topic, geo.Partitions, nil); err != nil {
		w.t.Fatal(err)
	}
	w.logs[region].Close() // it remembers the old topic
	log, err := w.open(region)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(log.Close)
	w.logs[region] = log
}

// A target's topic that is made again while the flow runs is filled again, also
// when nothing is written any more that would show the loss.
func TestTargetTopicMadeAgainIsFilledAgain(t *testing.T) {
	for name, meanwhile := range map[string]func(*world, *Mirror){
		"idle":    func(*world, *Mirror) {},
		"traffic": func(w *world, _ *Mirror) { w.write("us", 60, 60) },
		"cut": func(w *world, m *Mirror) {
			if err := m.Heal(usToEU); err != nil {
				w.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "us", "eu")
			m, _ := w.mirror(nil)
			w.write("us", 0, 60)
			w.awaitCopied("eu", "us.events", 60)
			if name == "cut" {
				if err := m.Cut(usToEU); err != nil {
					t.Fatal(err)
				}
			}
			w.recreate("eu", "us.events")
			meanwhile(w, m)
			w.awaitCopied("eu", "us.events", w.distinct("us", "us.events"))
			polltest.Until(w.t, "state up, nothing behind", func() bool { s := stateOf(m, usToEU); return s.State == api.FlowUp && s.Lag == 0 })
		})
	}
}

// The same at the source: the flow copies what the new topic holds.
func TestSourceTopicMadeAgainIsCopied(t *testing.T) {
	w := newWorld(t, "us", "eu")
	w.mirror(nil)
	w.write("us", 0, 60)
	w.awaitCopied("eu", "us.events", 60)
	w.recreate("us", "us.events")
	w.write("us", 60, 100) // more than were copied: the offsets alone look fine
	w.awaitCopied("eu", "us.events", 160)
}
