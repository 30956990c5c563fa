package status

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/view"
	"github.com/geokv/geokv/internal/wal"
)

func TestEventsLostAtTheirOriginAreAnAlarm(t *testing.T) {
	places := three()
	places["us"].hold("us.events", 3, 8, "1-8") // of the ten that the others have
	r := report(t, places, nil)
	if r.Converged {
		t.Error("converged although us lost events")
	}
	us := r.Regions[0].Alarms
	if len(us) != 1 || us[0].Code != api.AlarmLostAtOrigin || us[0].Count != 2 || !strings.Contains(us[0].Message, "eu holds 2, ap holds 2") {
		t.Errorf("alarms of us: %+v", us)
	}
	for _, region := range r.Regions[1:] {
		if len(region.Alarms) > 0 {
			t.Errorf("alarms of %s: %+v", region.Name, region.Alarms)
		}
	}
}

// catchingUp is a view that has applied more each time it is asked.
type catchingUp struct {
	*place
	asked int
}

func (p *catchingUp) Positions(ctx context.Context, topic string, partitions ...int32) ([]view.Position, error) {
	if topic == "us.events" {
		if p.asked++; p.asked == 2 {
			p.hold(topic, 3, 10, "1-10")
		}
	}
	return p.place.Positions(ctx, topic, partitions...)
}

func TestAnOriginThatIsStillApplyingHasLostNothing(t *testing.T) {
	for name, behind := range map[string]func(p *place){
		"has records to apply": func(p *place) {
			p.hold("us.events", 3, 8, "1-8")
			p.ends[wal.Partition{Topic: "us.events", Index: 3}] = 10
		},
		"was asked before the others": func(p *place) { p.hold("us.events", 3, 8, "1-8") },
	} {
		t.Run(name, func(t *testing.T) {
			places := three()
			behind(places["us"])
			r := report(t, places, func(c *Config) { c.Regions[0].View = &catchingUp{place: places["us"]} })
			if alarms := r.Regions[0].Alarms; len(alarms) > 0 {
				t.Errorf("alarms of us: %+v", alarms)
			}
		})
	}
}

// The alarm begins when the loss is first seen and ends when it is made good; a
// region that does not answer says neither.
func TestALossIsOneEpisode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places := three()
		places["us"].hold("us.events", 3, 8, "1-8")
		c := cluster(places, nil)
		began := c.Collect(t.Context()).AtMS
		time.Sleep(time.Minute)
		if us := c.Collect(t.Context()).Regions[0].Alarms; len(us) != 1 || us[0].SinceMS != began || us[0].Count != 2 {
			t.Errorf("a minute later: %+v, want since %d", us, began)
		}
		places["us"].hold("us.events", 3, 10, "1-10")
		if us := c.Collect(t.Context()).Regions[0].Alarms; len(us) > 0 {
			t.Errorf("made good: %+v", us)
		}
	})
}
