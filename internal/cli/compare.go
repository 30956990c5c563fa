package cli

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/crdt"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
	"github.com/geokv/geokv/internal/out"
)

// comparison is one key over all regions.
type comparison struct {
	Key     event.Bytes    `json:"key"`
	Verdict string         `json:"verdict"` // same, pending or different
	Regions []regionAnswer `json:"regions"`
}

type regionAnswer struct {
	Region  string           `json:"region"`
	Verdict string           `json:"verdict"` // same, pending, different or unavailable
	View    *crdt.View       `json:"view,omitempty"`
	Error   *api.ErrorDetail `json:"error,omitempty"`
	atMS    int64            // when it was read, on the region's clock
}

const (
	verdictSame        = "same"
	verdictPending     = "pending"
	verdictDifferent   = "different"
	verdictUnavailable = "unavailable"
)

func (s *session) getEverywhere(ctx context.Context, b backend, q api.KeyQuery) error {
	c, err := compare(ctx, b, q)
	if err != nil {
		return err
	}
	if err := s.printer.Result(c, func() out.Grid { return comparisonGrid(c) }); err != nil {
		return err
	}
	return c.problem()
}

// readings is how often a difference is looked at once more, between two reports:
// a write may have come between the reads.
const readings = 3

// compare reads the whole value in every region. A difference is real when
// nothing can explain it: reports from before and after the reading show the
// key's partition level and standing still, and no life time ended meanwhile.
// Otherwise it is pending.
func compare(ctx context.Context, b backend, q api.KeyQuery) (comparison, error) {
	c := compareOnce(ctx, b, q)
	if c.Verdict != verdictDifferent {
		return c, nil
	}
	before, err := b.Status(ctx)
	if err != nil {
		return c, err
	}
	for range readings {
		if c = compareOnce(ctx, b, q); c.Verdict != verdictDifferent {
			return c, nil
		}
		after, err := b.Status(ctx)
		if err != nil {
			return c, err
		}
		if api.Stood(&before, &after, geo.PartitionOf(q.Key)) && !c.expiring() {
			return c, nil
		}
		before = after
	}
	c.judge(verdictPending)
	return c, nil
}

func compareOnce(ctx context.Context, b backend, q api.KeyQuery) comparison {
	c := comparison{Key: q.Key, Regions: readEverywhere(ctx, b, q)}
	c.judge(verdictDifferent)
	return c
}

// clockSlackMS is how far regions' clocks may disagree on whether a value has
// expired.
const clockSlackMS = 1000

// expiring reports a value whose life time ended about when it was read.
func (c comparison) expiring() bool {
	return slices.ContainsFunc(c.Regions, func(a regionAnswer) bool {
		return a.View != nil && a.View.ExpireAtMS != 0 && a.View.ExpireAtMS <= a.atMS+clockSlackMS
	})
}

func readEverywhere(ctx context.Context, b backend, q api.KeyQuery) []regionAnswer {
	answers := make([]regionAnswer, len(b.Regions()))
	var group sync.WaitGroup
	for i, region := range b.Regions() {
		group.Go(func() {
			at := q
			at.Region = region
			answers[i] = answerOf(b.Key(ctx, at))
			answers[i].Region = region
		})
	}
	group.Wait()
	return answers
}

func answerOf(page api.KeyPage, err error) regionAnswer {
	if err != nil {
		detail := api.ErrorOf(err).Error
		return regionAnswer{Error: &detail, Verdict: verdictUnavailable}
	}
	return regionAnswer{View: &page.View, atMS: page.AtMS}
}

// judge compares every answer with the first; difference is the verdict on those
// that are not the same.
func (c *comparison) judge(difference string) {
	c.Verdict = verdictSame
	var first *crdt.View
	for i := range c.Regions {
		a := &c.Regions[i]
		switch {
		case a.View == nil:
			if c.Verdict == verdictSame {
				c.Verdict = verdictUnavailable
			}
		case first == nil || a.View.Equal(*first):
			a.Verdict = verdictSame
			first = a.View
		default:
			a.Verdict, c.Verdict = difference, difference
		}
	}
}

func (c comparison) problem() error {
	holds := slices.ContainsFunc(c.Regions, func(a regionAnswer) bool { return a.View != nil && a.View.Type != crdt.None })
	switch {
	case c.Verdict == verdictDifferent:
		return fail.New(fail.Diverged, "key %q differs between regions that applied the same events", string(c.Key))
	case c.Verdict == verdictPending:
		return fail.New(fail.Diverged, "key %q differs: events are still on their way", string(c.Key)).
			WithHint("geokv status shows what each region has yet to apply")
	case c.Verdict == verdictUnavailable:
		return errors.Join(c.unavailable()...)
	case !holds:
		return fail.New(fail.NotFound, "key %q has no value in any region", string(c.Key))
	}
	return nil
}

func (c comparison) unavailable() []error {
	var failures []error
	for _, a := range c.Regions {
		if a.Error != nil {
			failures = append(failures, a.Error.Fail())
		}
	}
	return failures
}

func comparisonGrid(c comparison) out.Grid {
	g := out.Grid{Columns: out.Columns("REGION", "TYPE", "VALUE~", "VERDICT")}
	for _, a := range c.Regions {
		verdict := out.Cell{Text: a.Verdict, Role: verdictRole(a.Verdict)}
		if a.View == nil {
			g.Add(out.Cell{Text: a.Region}, out.Cell{Text: "-"}, out.Cell{Text: a.Error.Message}, verdict)
			continue
		}
		g.Add(out.Cell{Text: a.Region}, out.Cell{Text: a.View.Type.String()}, out.Cell{Text: valueText(a.View.Value)}, verdict)
	}
	return g
}

func verdictRole(verdict string) out.Role {
	switch verdict {
	case verdictSame:
		return out.Good
	case verdictPending:
		return out.Warn
	}
	return out.Bad
}
