package plan

import (
	"context"
	"math"
	"strings"
	"testing"
)

// The plan of rows that were simulated one by one is that of the whole, and says that all were
// seen; rows of another problem are refused.
func TestPlanOfRows(t *testing.T) {
	for _, rate := range []float64{6, 40, 4000} {
		p := small(t)
		p.Rate = rate
		l, err := p.Listing(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		again, err := p.Listing(context.Background())
		if err != nil || again.ID() != l.ID() {
			t.Fatalf("two listings of one problem are %s and %s (%v)", l.ID(), again.ID(), err)
		}
		var figures [][]float64
		for i := range l.Candidates {
			f, reason, err := l.Work(context.Background(), i)
			if err != nil || (f == nil) != (reason != "") || f != nil && len(f) != len(l.Figures()) {
				t.Fatalf("row %d: %v, %q, %v", i, f, reason, err)
			}
			figures = append(figures, f)
		}
		got, err := l.Choose(context.Background(), figures)
		if err != nil {
			t.Fatal(err)
		}
		want, err := p.Plan(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case (got.Best == nil) != (want.Best == nil):
			t.Errorf("at %g/s the rows' best is %v, the plan's %v", rate, got.Best, want.Best)
		case got.Best != nil && (got.Best.Cost != want.Best.Cost || math.Abs(got.Best.Binds.Ratio()-want.Best.Binds.Ratio()) > 1e-12 && want.Proven && got.Best.Candidate.Device == want.Best.Candidate.Device && got.Best.TP == want.Best.TP && got.Best.KV == want.Best.KV):
			t.Errorf("at %g/s the rows' best costs %g, the plan's %g", rate, got.Best.Cost, want.Best.Cost)
		}
		if !got.Proven || got.Unseen != 0 || got.Deployments != len(l.Candidates) {
			t.Errorf("at %g/s: %+v", rate, got)
		}
		if _, err := l.Choose(context.Background(), figures[1:]); err == nil {
			t.Error("a row too few is taken")
		}
		for i, f := range figures {
			if f != nil {
				f[0]++
				if _, err := l.Choose(context.Background(), figures); err == nil && i < 1 || err != nil && !strings.Contains(err.Error(), "comes out differently") {
					t.Errorf("another number of replicas in row %d: %v", i, err)
				}
				break
			}
		}
		other := small(t)
		other.Rate = rate + 1
		if o, err := other.Listing(context.Background()); err != nil || o.ID() == l.ID() {
			t.Errorf("another rate has the same rows (%v)", err)
		}
	}
}
