package calibrate

import (
	"math"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// Our own timings of what makes hybrids, a fifth of the cells left out at a time: what we claim
// of each class on each GPU, and that intervals hold about nine in ten.
func TestHybridsLeftOut(t *testing.T) {
	tables, err := ReadDir("../measured")
	if err != nil {
		t.Fatal(err)
	}
	most := map[kerneltime.Class]float64{kerneltime.ClassMamba1: .03, kerneltime.ClassSSD: .06, kerneltime.ClassConv: .03, kerneltime.ClassUnpacked: .08, kerneltime.ClassMLA: .03}
	for i := range tables {
		tab := &tables[i]
		limit, ok := most[tab.Class]
		if !ok || tab.Class == kerneltime.ClassUnpacked && (tab.Hardware != "h100-sxm" || testing.Short()) { // half a minute each
			continue
		}
		t.Run(tab.Hardware+" "+tab.Class.String(), func(t *testing.T) {
			t.Parallel()
			te, ok, err := LeaveOut(t.Context(), tab, lookup(t, tab.Hardware), Cells, Options{Rounds: 1, Evaluations: 300})
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			t.Logf("%d rows: %.1f %% off, %.1f %% inside their interval", te.Rows, 100*te.MAPE, 100*te.Coverage)
			if te.MAPE > limit || te.Coverage < .85 || te.Coverage > .97 {
				t.Errorf("%.3f off in the mean, want at most %.2f; %.3f lie inside their 90 %% interval", te.MAPE, limit, te.Coverage)
			}
		})
	}
}

// More work takes no less time, but where the timings say so: of two timings alike but for one
// number of which the second has more, few of the predictions fall where the timings do not.
func TestPredictionsFallWhereTimingsDo(t *testing.T) {
	tables, err := ReadDir("../measured")
	if err != nil {
		t.Fatal(err)
	}
	for i := range tables {
		tab := &tables[i]
		p, err := kerneltime.For(lookup(t, tab.Hardware))
		if err != nil {
			t.Fatal(err)
		}
		type sized struct {
			shape    any
			measured float64
			size     float64
		}
		rows := map[string][]sized{}
		for _, r := range tab.Rows {
			switch s := r.Shape.(type) {
			case *kerneltime.Scan:
				for axis, field := range map[string]*float64{"batch": &s.Batch, "tokens": &s.Tokens, "channels": &s.Heads} {
					rest := *s
					for a, f := range map[string]*float64{"batch": &rest.Batch, "tokens": &rest.Tokens, "channels": &rest.Heads} {
						if a == axis {
							*f = 0
						}
					}
					k := axis + tab.Class.Facts().Describe(&rest) + rest.StateDType.String() + string(rune(rest.Groups)) + string(rune(rest.Chunk))
					rows[k] = append(rows[k], sized{s, r.Seconds, *field})
				}
			case *kerneltime.MLADecode:
				for axis, field := range map[string]*float64{"batch": &s.Batch, "context": &s.Context, "heads": &s.Heads} {
					rest := *s
					for a, f := range map[string]*float64{"batch": &rest.Batch, "context": &rest.Context, "heads": &rest.Heads} {
						if a == axis {
							*f = 0
						}
					}
					k := axis + tab.Class.Facts().Describe(&rest)
					rows[k] = append(rows[k], sized{s, r.Seconds, *field})
				}
			case *kerneltime.UnpackedAttention:
				for axis, field := range map[string]*float64{"batch": &s.Batch, "context": &s.Context} {
					rest := *s
					if axis == "batch" {
						rest.Batch = 0
					} else {
						rest.Context = 0
					}
					k := axis + tab.Class.Facts().Describe(&rest)
					if s.Contiguous {
						k += " contiguous"
					}
					rows[k] = append(rows[k], sized{s, r.Seconds, *field})
				}
			}
		}
		pairs, falls := 0, 0
		for k, group := range rows {
			for i := range group {
				for j := range group {
					a, b := group[i], group[j]
					if b.size <= a.size {
						continue
					}
					pairs++
					before := tab.Class.Facts().Predict(p, a.shape).Seconds
					after := tab.Class.Facts().Predict(p, b.shape).Seconds
					if after < .98*before && b.measured > a.measured {
						falls++
						if falls < 4 {
							t.Logf("%s %s: %g takes %.4g s, %g %.4g; timed %.4g and %.4g", tab.File, strings.TrimSpace(k), a.size, before, b.size, after, a.measured, b.measured)
						}
					}
				}
			}
		}
		if pairs == 0 {
			continue
		}
		t.Logf("%s: of %d pairs %d fall where the timings do not", tab.File, pairs, falls)
		if float64(falls) > math.Max(1, .003*float64(pairs)) {
			t.Errorf("%s: of %d pairs of timings %d are predicted to fall and do not", tab.File, pairs, falls)
		}
	}
}
