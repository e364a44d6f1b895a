package calibrate

import (
	"bytes"
	"context"
	"math"
	"testing"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/precision"
)

func lookup(t testing.TB, name string) *hardware.Profile {
	t.Helper()
	hw, err := hardware.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	return hw
}

// Of the parameters of a product's curve, those that synthetic times are made with.
const (
	launch    = 0
	peak      = 2
	bandwidth = 3
)

// fittedTo is a parameter of the curve of 16-bit products.
func fittedTo(p *kerneltime.Profile, param int) float64 {
	return *kerneltime.ClassGEMM.Facts().Fitting(p).Params(0)[param].Value
}

// synthetic is a table whose times come from known physics, so that a fit can be held to
// finding them.
func synthetic(noise float64) []Table {
	hw, _ := hardware.Lookup("h200")
	p, err := kerneltime.New(hw)
	if err != nil {
		panic(err)
	}
	truth := kerneltime.ClassGEMM.Facts().Fitting(p)
	*truth.Params(0)[launch].Value, *truth.Params(0)[peak].Value, *truth.Params(0)[bandwidth].Value = 3e-6, 0.6, 0.7
	t := Table{File: "gemm_h200.csv", Hardware: "h200", Class: kerneltime.ClassGEMM}
	i := 0
	for _, m := range []float64{1, 8, 32, 128, 512, 2048, 8192} {
		for _, n := range []float64{512, 2048, 4096, 16384} {
			for _, k := range []float64{512, 2048, 4096, 16384} {
				i++
				s := &kerneltime.GEMM{M: m, N: n, K: k, DType: precision.BF16}
				wobble := 1 + noise*math.Sin(float64(i)*12.9898)
				t.Rows = append(t.Rows, Row{Line: i + 1, Shape: s, Seconds: truth.Physics(s) * wobble})
			}
		}
	}
	return []Table{t}
}

func TestFitFindsKnownPhysics(t *testing.T) {
	p, r, err := Fit(context.Background(), synthetic(0.02), lookup(t, "h200"), Options{Folds: 4})
	if err != nil {
		t.Fatal(err)
	}
	if e := r.Tables[0].MAPE; e > 0.04 {
		t.Errorf("left-out error %.3f of times with 2 %% noise", e)
	}
	for _, f := range []struct {
		name      string
		got, want float64
	}{{"launch", fittedTo(p, launch), 3e-6}, {"peak", fittedTo(p, peak), 0.6}, {"bandwidth", fittedTo(p, bandwidth), 0.7}} {
		if math.Abs(math.Log(f.got/f.want)) > 0.15 {
			t.Errorf("%s fitted as %g, made with %g", f.name, f.got, f.want)
		}
	}
	// A profile read back predicts the same.
	var b bytes.Buffer
	if err := p.WriteYAML(&b); err != nil {
		t.Fatal(err)
	}
	q, err := kerneltime.Parse("x.yaml", b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for i := range synthetic(0)[0].Rows {
		s := *synthetic(0)[0].Rows[i].Shape.(*kerneltime.GEMM)
		if a, b := p.GEMM(s), q.GEMM(s); math.Abs(a.Seconds/b.Seconds-1) > 1e-4 {
			t.Fatalf("%+v: %g before writing, %g after", s, a.Seconds, b.Seconds)
		}
	}
	if got := q.Basis(kerneltime.ClassGEMM).Kind; got != kerneltime.Fitted {
		t.Errorf("basis of the fitted class: %v", got)
	}
	if got := q.Basis(kerneltime.ClassDecode).Kind; got != kerneltime.DatasheetOnly {
		t.Errorf("basis of a class without rows: %v", got)
	}
}

func TestOutliersHardlyMoveAFit(t *testing.T) {
	tabs := synthetic(0.01)
	for i := 0; i < len(tabs[0].Rows); i += 17 {
		tabs[0].Rows[i].Seconds *= 5
	}
	p, _, err := Fit(context.Background(), tabs, lookup(t, "h200"), Options{Folds: 3})
	if err != nil {
		t.Fatal(err)
	}
	if c := fittedTo(p, bandwidth); math.Abs(math.Log(c/0.7)) > 0.2 {
		t.Errorf("bandwidth fraction %g with 6 %% outliers, made with 0.7", c)
	}
}

func TestFitStopsOnCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Fit(ctx, synthetic(0), lookup(t, "h200"), Options{}); err == nil {
		t.Fatal("a cancelled fit returned a profile")
	}
}

func TestEagerGap(t *testing.T) {
	tab := Table{File: "allreduce_x.csv", Class: kerneltime.ClassAllReduce, Rows: []Row{
		{Shape: &kerneltime.AllReduce{GPUs: 2, Bytes: 256}, Seconds: 5e-6},
		{Shape: &kerneltime.AllReduce{GPUs: 2, Bytes: 512}, Seconds: 6e-6},
		{Shape: &kerneltime.AllReduce{GPUs: 2, Bytes: 512, Eager: true}, Seconds: 30e-6},
		{Shape: &kerneltime.AllReduce{GPUs: 2, Bytes: 256, Eager: true}, Seconds: 20e-6},
	}}
	if got, ok := EagerGap([]Table{tab}); !ok || got != 15e-6 {
		t.Errorf("gap %g %v, want 15 µs: the smallest message both ways", got, ok)
	}
	if _, ok := EagerGap(nil); ok {
		t.Error("a gap from nothing")
	}
}

// Bounds hold the nine tenths they promise.
func TestSpreadHoldsNineTenths(t *testing.T) {
	var errs []left
	for i := range 4000 {
		u := math.Mod(float64(i)*0.6180339887498949, 1) // even in 0…1
		errs = append(errs, left{20e-6, 0.4 * (u - 0.5), i})
	}
	s := measureSpread(errs)
	inside := 0
	for _, e := range errs {
		low, high := s.Bounds(e.seconds)
		if m := e.seconds * math.Exp(e.log); m >= low && m <= high {
			inside++
		}
	}
	if share := float64(inside) / float64(len(errs)); share < 0.88 || share > 0.92 {
		t.Errorf("%.3f lie inside a 90 %% interval", share)
	}
}

func TestStraightening(t *testing.T) {
	hw := lookup(t, "h200")
	p, err := kerneltime.New(hw)
	if err != nil {
		t.Fatal(err)
	}
	m := kerneltime.ClassGEMM.Facts().Fitting(p)
	rows := synthetic(0.4)[0].Rows // timed on a busy day
	smoothAll(m, rows)
	_, before, _ := p.Dips(kerneltime.ClassGEMM)
	if err := straighten(context.Background(), m, rows, 12); err != nil {
		t.Fatal(err)
	}
	if _, after, _ := p.Dips(kerneltime.ClassGEMM); before < 50 || after > before*7/10 {
		t.Errorf("%d pairs dip before, %d after", before, after)
	}
}

// A row is predicted from the others alone: one that nothing else resembles is left out
// with all of its error, which the fit of all rows then takes up.
func TestLeftOutRowsAreNotLearnt(t *testing.T) {
	p, err := kerneltime.New(lookup(t, "h200"))
	if err != nil {
		t.Fatal(err)
	}
	m := kerneltime.ClassGEMM.Facts().Fitting(p)
	var rows []Row
	for _, x := range []float64{1, 16384} { // far from each other, and slower than the physics by half and by twice
		s := &kerneltime.GEMM{M: x, N: 128 * x, K: 128 * x, DType: precision.BF16}
		if x > 1 {
			s.N, s.K = 16384, 16384
		}
		slower := 2.0
		if x > 1 {
			slower = 1.5
		}
		rows = append(rows, Row{Shape: s, Seconds: m.Physics(s) * slower})
	}
	o := Options{Folds: 2, Rounds: 1}
	for fold(0, o.Folds) == fold(1, o.Folds) { // the two are in folds of their own
		o.Folds++
	}
	errs, err := crossValidate(t.Context(), kerneltime.ClassGEMM, m, rows, &o)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range errs {
		want := math.Log(rows[e.row].Seconds / m.Physics(rows[e.row].Shape))
		if math.Abs(e.log-want) > 0.3*want {
			t.Errorf("row %d is left out with an error of %.3f in the logarithm, unlike the other it is off by %.3f", e.row, e.log, want)
		}
	}
	if len(errs) != 2 {
		t.Fatalf("%d rows are left out of 2", len(errs))
	}
	if err := correct(t.Context(), m, rows, &o); err != nil {
		t.Fatal(err)
	}
	for _, e := range errs {
		if off := math.Log(rows[e.row].Seconds) - kerneltime.LogTime(m, rows[e.row].Shape); off > 0.9*e.log {
			t.Errorf("row %d is off by %.3f in the logarithm although it was fitted to, left out by %.3f", e.row, off, e.log)
		}
	}
}

// Rows far off count little: of five timings at one shape the smoothed correction follows
// the four that agree, not the mean.
func TestSmoothingFollowsTheMany(t *testing.T) {
	p, err := kerneltime.New(lookup(t, "h200"))
	if err != nil {
		t.Fatal(err)
	}
	m := kerneltime.ClassGEMM.Facts().Fitting(p)
	table := m.Corrections()[0]
	at, x := m.Locate(0, &kerneltime.GEMM{M: 64, N: 4096, K: 4096, DType: precision.BF16})
	rows := []sample{{at, x, 0.1}, {at, x, 0.1}, {at, x, 0.1}, {at, x, 0.1}, {at, x, 1.6}}
	smooth(&table, rows, m.Stiffness())
	if got := table.At(at, &x); got < 0.05 || got > 0.15 {
		t.Errorf("a correction of %.3f, four timings say 0.1 and one 1.6", got)
	}
}

// Quantiles are interpolated between the two nearest of the sorted values.
func TestQuantile(t *testing.T) {
	for q, want := range map[float64]float64{0: 1, 0.5: 2.5, 0.95: 3 + 0.85*7, 1: 10} {
		if got := quantile([]float64{1, 2, 3, 10}, q); math.Abs(got-want) > 1e-12 {
			t.Errorf("%g: %g, want %g", q, got, want)
		}
	}
}

// A variant with few rows keeps the curve of its family: 39 decode timings of ungrouped queries
// are no reason for a curve of their own, 40 are.
func TestFewRowsKeepTheFamilysCurve(t *testing.T) {
	for _, few := range []int{3, fewest - 1, fewest} {
		p, err := kerneltime.New(lookup(t, "h200"))
		if err != nil {
			t.Fatal(err)
		}
		m := kerneltime.ClassDecode.Facts().Fitting(p)
		var rows []Row
		add := func(kv float64, most int, slower float64) (curve int) {
			n := 0
			for _, batch := range []float64{1, 2, 4, 8, 16, 32} {
				for _, context := range []float64{256, 1024, 4096, 16384, 65536, 100000, 120000, 131072} {
					if n++; n > most {
						return curve
					}
					s := &kerneltime.DecodeAttention{Batch: batch, Heads: 8, KVHeads: kv, HeadDim: 128, Context: context, KVDType: precision.BF16}
					rows = append(rows, Row{Shape: s, Seconds: m.Physics(s) * slower})
					curve = m.Curve(s)
				}
			}
			return curve
		}
		// So many timings of grouped queries that the others do not move the family's curve.
		family := add(2, 48, 1)
		for range 5 {
			rows = append(rows, rows[:48]...)
		}
		variant := add(8, few, 3)
		if family == variant {
			t.Fatal("grouped and ungrouped queries have one curve")
		}
		if err := fitCurves(t.Context(), m, rows, 900); err != nil {
			t.Fatal(err)
		}
		for _, r := range rows[:48] { // where the others have a curve of their own, the first is the family's alone
			if got := m.Physics(r.Shape) / r.Seconds; few == fewest && math.Abs(got-1) > 0.02 {
				t.Errorf("beside a variant a timing of the family is met to %.3f", got)
			}
		}
		for _, r := range rows[len(rows)-3:] {
			if got := m.Physics(r.Shape) / r.Seconds; got > 0.7 && few < fewest || got < 0.9 && few == fewest {
				t.Errorf("of %d timings three times their family's one is met to %.2f", few, got)
			}
		}
	}
}

// Rows that are left out are not fitted to: where every timing is off by a scatter of its
// own, fitted rows are met better than those left out.
func TestLeaveOutLeavesOut(t *testing.T) {
	tabs := []Table{{File: "allreduce_h200.csv", Hardware: "h200", Class: kerneltime.ClassAllReduce}}
	i := 0
	for _, gpus := range []float64{2, 4, 8} {
		for e := 10.0; e < 30; e++ {
			i++
			s := &kerneltime.AllReduce{GPUs: gpus, Bytes: math.Exp2(e)}
			seconds := (5e-6 + s.Bytes/200e9) * (1 + 0.4*math.Sin(float64(i)*12.9898))
			tabs[0].Rows = append(tabs[0].Rows, Row{Line: i + 1, Shape: s, Seconds: seconds})
		}
	}
	o := Options{Folds: 2, Evaluations: 60, Rounds: 1}
	p, _, err := Fit(t.Context(), tabs, lookup(t, "h200"), o)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]int, len(tabs[0].Rows))
	for i := range all {
		all[i] = i
	}
	errs, inside := score(p, &tabs[0], all)
	fitted := tableError(&tabs[0], errs, inside, "")
	out, ok, err := LeaveOut(t.Context(), &tabs[0], lookup(t, "h200"), Cells, o)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if out.Rows != 60 || out.MAPE < 1.1*fitted.MAPE {
		t.Errorf("%d rows are left out with an error of %.3f, fitted to they have %.3f", out.Rows, out.MAPE, fitted.MAPE)
	}
}

// stubborn is a model whose dips no correction mends: its lattice has every pair the wrong way round.
type stubborn struct {
	kerneltime.Fitting
	asked int
}

func (s *stubborn) Correct(any) float64 { return 0 }
func (s *stubborn) Lattice(pair func(small, large any)) {
	s.asked++
	s.Fitting.Lattice(func(small, large any) { pair(large, small) })
}

// Straightening stops where a round mends next to nothing, and after as many rounds as it may take.
func TestStraighteningStops(t *testing.T) {
	p, err := kerneltime.New(lookup(t, "h200"))
	if err != nil {
		t.Fatal(err)
	}
	for rounds, want := range map[int]int{0: 0, 1: 1, 2: 2, 12: 2} {
		m := &stubborn{Fitting: kerneltime.ClassAllReduce.Facts().Fitting(p)}
		if err := straighten(t.Context(), m, nil, rounds); err != nil || m.asked != want {
			t.Errorf("of %d rounds the lattice was asked in %d, want %d; %v", rounds, m.asked, want, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := straighten(ctx, &stubborn{Fitting: kerneltime.ClassAllReduce.Facts().Fitting(p)}, nil, 3); err == nil {
		t.Error("a stopped fit goes on")
	}
}

// Timings count by their mean: every one of them twice over fits the same curves.
func TestTimingsTwiceOver(t *testing.T) {
	fit := func(times int) (values []float64) {
		p, err := kerneltime.New(lookup(t, "h200"))
		if err != nil {
			t.Fatal(err)
		}
		m := kerneltime.ClassGEMM.Facts().Fitting(p)
		var rows []Row
		for range times {
			rows = append(rows, synthetic(0.3)[0].Rows...)
		}
		if err := fitCurves(t.Context(), m, rows, 200); err != nil {
			t.Fatal(err)
		}
		for c := range m.Curves() {
			for _, x := range m.Params(c) {
				values = append(values, *x.Value)
			}
		}
		return values
	}
	one, two := fit(1), fit(2)
	for i := range one {
		if math.Abs(one[i]/two[i]-1) > 1e-4 {
			t.Errorf("parameter %d is %g, of every timing twice %g", i, one[i], two[i])
		}
	}
}

// A class with fewer than ten timings keeps the curves there were; ten move them.
func TestTenTimingsMoveACurve(t *testing.T) {
	for _, n := range []int{fewest/4 - 1, fewest / 4} {
		p, err := kerneltime.New(lookup(t, "h200"))
		if err != nil {
			t.Fatal(err)
		}
		m := kerneltime.ClassGEMM.Facts().Fitting(p)
		rows := synthetic(0)[0].Rows[:n]
		for i := range rows {
			rows[i].Seconds = 5 * m.Physics(rows[i].Shape)
		}
		var before []float64
		for _, x := range m.Params(0) {
			before = append(before, Significant(*x.Value, 5))
		}
		if err := fitCurves(t.Context(), m, rows, 300); err != nil {
			t.Fatal(err)
		}
		moved := false
		for i, x := range m.Params(0) {
			moved = moved || *x.Value != before[i]
		}
		if want := n >= fewest/4; moved != want {
			t.Errorf("%d timings moved the curve: %v", n, moved)
		}
	}
}
