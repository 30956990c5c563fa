package web

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/geokv/geokv/internal/api"
	"github.com/geokv/geokv/internal/event"
	"github.com/geokv/geokv/internal/fail"
	"github.com/geokv/geokv/internal/geo"
)

// produce answers 201 for a durable write, 202 for one whose fate is unknown.
func (s *Server) produce(w http.ResponseWriter, r *http.Request) error {
	op, err := s.operation(w, r)
	if err != nil {
		return err
	}
	receipt, err := s.Service.Produce(r.Context(), op)
	if err != nil {
		s.metrics.produced("refused")
		return err
	}
	s.metrics.produced(string(receipt.Outcome))
	status := http.StatusCreated
	if receipt.Outcome != event.Durable {
		status = http.StatusAccepted
	}
	writeJSON(w, status, receipt)
	return nil
}

func (s *Server) plan(w http.ResponseWriter, r *http.Request) error {
	op, err := s.operation(w, r)
	if err != nil {
		return err
	}
	plan, err := s.Service.Plan(r.Context(), op)
	if err != nil {
		return err
	}
	return answer(w, plan)
}

func (s *Server) operation(w http.ResponseWriter, r *http.Request) (op event.Operation, err error) {
	if err := readBody(w, r, &op); err != nil {
		return op, err
	}
	if op.Args == nil {
		return op, fail.New(fail.Usage, "the body is empty, want an operation").WithHint("geokv help operations")
	}
	if op.Region != "" {
		if err := s.checkRegion(op.Region); err != nil {
			return op, err
		}
	}
	return op, op.Validate()
}

func (s *Server) sim(w http.ResponseWriter, _ *http.Request) error {
	return answer(w, s.Sim.State())
}

func (s *Server) simStart(w http.ResponseWriter, r *http.Request) error {
	var start api.SimStart
	if err := readBody(w, r, &start); err != nil {
		return err
	}
	for _, name := range start.Regions {
		if err := s.checkRegion(name); err != nil {
			return err
		}
	}
	return answered(w)(s.Sim.Start(r.Context(), start))
}

func (s *Server) simStop(w http.ResponseWriter, r *http.Request) error {
	if err := readBody(w, r, &struct{}{}); err != nil {
		return err
	}
	return answered(w)(s.Sim.Stop(r.Context()))
}

func (s *Server) simRate(w http.ResponseWriter, r *http.Request) error {
	var rate api.SimRate
	if err := readBody(w, r, &rate); err != nil {
		return err
	}
	return answered(w)(s.Sim.SetRate(r.Context(), rate.Rate))
}

// answered finishes a call that returns the simulator's new state.
func answered(w http.ResponseWriter) func(api.Sim, error) error {
	return func(state api.Sim, err error) error {
		if err != nil {
			return err
		}
		return answer(w, state)
	}
}

// maxDelay bounds a link's delay; more is better said as a cut.
const maxDelay = time.Minute

func (s *Server) theLab() (Lab, error) {
	if s.Lab == nil {
		return nil, fail.New(fail.NotFound, "nothing can be broken on purpose here").
			WithHint("geokv up runs a cluster whose links can be cut and whose regions can be stopped")
	}
	return s.Lab, nil
}

func (s *Server) lab(w http.ResponseWriter, _ *http.Request) error {
	lab, err := s.theLab()
	if err != nil {
		return err
	}
	return answer(w, lab.Describe())
}

func (s *Server) labLink(w http.ResponseWriter, r *http.Request) error {
	lab, err := s.theLab()
	if err != nil {
		return err
	}
	f := geo.Flow{From: r.PathValue("from"), To: r.PathValue("to")}
	if !slices.Contains(s.topology.Flows(), f) {
		return fail.New(fail.NotFound, "there is no link %s", f)
	}
	var a api.LinkAction
	if err := readBody(w, r, &a); err != nil {
		return err
	}
	if err := actOnLink(lab, f, a); err != nil {
		return err
	}
	return answer(w, lab.Describe())
}

func actOnLink(lab Lab, f geo.Flow, a api.LinkAction) error {
	switch a.Action {
	case api.ActionCut:
		return lab.Cut(f)
	case api.ActionHeal:
		return lab.Heal(f)
	case api.ActionDelay:
		if a.DelayMS < 0 || a.DelayMS > maxDelay.Milliseconds() {
			return fail.New(fail.Usage, "delay_ms %d, want 0 to %d", a.DelayMS, maxDelay.Milliseconds())
		}
		return lab.Delay(f, time.Duration(a.DelayMS)*time.Millisecond)
	}
	return fail.New(fail.Usage, "action %q, want cut, heal or delay", a.Action)
}

func (s *Server) labRegion(w http.ResponseWriter, r *http.Request) error {
	lab, err := s.theLab()
	if err != nil {
		return err
	}
	name := r.PathValue("region")
	if err := s.checkRegion(name); err != nil {
		return err
	}
	var a api.RegionAction
	if err := readBody(w, r, &a); err != nil {
		return err
	}
	if err := extendDeadline(w, maxAwait); err != nil {
		return err
	}
	if err := actOnRegion(r.Context(), lab, name, a); err != nil {
		return err
	}
	return answer(w, lab.Describe())
}

func actOnRegion(ctx context.Context, lab Lab, name string, a api.RegionAction) error {
	switch a.Action {
	case api.ActionStop:
		return lab.StopRegion(ctx, name)
	case api.ActionStart:
		return lab.StartRegion(ctx, name)
	}
	return fail.New(fail.Usage, "action %q, want stop or start", a.Action)
}
