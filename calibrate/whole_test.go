package calibrate

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/precision"
)

// What is held out together, class by class, and what a check says of a table that is met exactly.
func TestHoldOutsAndChecks(t *testing.T) {
	shape := &kerneltime.DecodeAttention{Batch: 1, Heads: 8, KVHeads: 2, HeadDim: 64, Context: 777, KVDType: precision.BF16}
	r := &Row{Shape: shape, Seconds: 1}
	for h, want := range map[Holdout]float64{Heads: 8, HeadDims: 64, Contexts: 777, Cells: float64(fold(12, 5))} {
		if k, ok := h.key(kerneltime.ClassDecode, 12, r); !ok || k != want {
			t.Errorf("without %v: group %g, %v; want %g", h, k, ok, want)
		}
	}
	if _, ok := Matrices.key(kerneltime.ClassDecode, 0, r); ok {
		t.Error("attention has matrices")
	}
	if len(Holdouts()) != 5 || Holdouts()[3].String() != "(n,k)" || Cells.String() != "cells" || Holdout(9).String() != "unknown" {
		t.Errorf("%v", Holdouts())
	}
	p, err := kerneltime.New(lookup(t, "h200"))
	if err != nil {
		t.Fatal(err)
	}
	tabs := synthetic(0)
	for i := range tabs[0].Rows {
		e := tabs[0].Class.Facts().Predict(p, tabs[0].Rows[i].Shape)
		tabs[0].Rows[i].Seconds = []float64{e.Seconds, e.Low, e.High, e.High * 1.01, e.Low * 0.99}[i%5]
	}
	n := len(tabs[0].Rows)
	te := Check(p, tabs)[0]
	if want := float64(n-n/5-(n+1)/5) / float64(n); math.Abs(te.Coverage-want) > 0.02 {
		t.Errorf("%.3f lie inside, want three fifths", te.Coverage)
	}
	sum := 0.0
	for _, r := range tabs[0].Rows {
		sum += math.Abs(kerneltime.ClassGEMM.Facts().Roofline(p, r.Shape)/r.Seconds - 1)
	}
	if math.Abs(te.Roofline-sum/float64(n)) > 1e-12 || te.Basis != "datasheet only" {
		t.Errorf("a roofline error of %g, want %g; basis %s", te.Roofline, sum/float64(n), te.Basis)
	}
	tabs[0].Hardware = "another"
	if got := Check(p, tabs); len(got) != 0 {
		t.Errorf("a table of another GPU was checked: %+v", got)
	}
	// One group alone cannot be left out.
	one := Table{File: "decode_attention_h200.csv", Hardware: "h200", Class: kerneltime.ClassDecode, Rows: []Row{*r, *r}}
	if _, ok, err := LeaveOut(t.Context(), &one, lookup(t, "h200"), Heads, Options{}); ok || err != nil {
		t.Errorf("the only number of heads was left out: %v", err)
	}
	if _, ok, err := LeaveOut(t.Context(), &one, lookup(t, "h200"), Matrices, Options{}); ok || err != nil {
		t.Errorf("matrices of attention were left out: %v", err)
	}
}

// Options by hand: what is unset is what embedded profiles were fitted with, and progress counts.
func TestOptionsByHand(t *testing.T) {
	var o Options
	if o.folds() != 10 || o.evaluations() != 900 || o.rounds() != 12 || o.parts() != 12 {
		t.Errorf("%d folds, %d evaluations, %d rounds, %d parts", o.folds(), o.evaluations(), o.rounds(), o.parts())
	}
	o = Options{Folds: 2, Evaluations: 1, Rounds: 1, Engine: "a", EngineOf: map[kerneltime.Class]string{kerneltime.ClassDecode: "b"}}
	if o.folds() != 2 || o.evaluations() != 1 || o.rounds() != 1 || o.parts() != 4 || o.engine(kerneltime.ClassGEMM) != "a" || o.engine(kerneltime.ClassDecode) != "b" {
		t.Errorf("%+v", o)
	}
	if o.Folds = 1; o.folds() != 10 {
		t.Error("one fold leaves nothing to fit to")
	}
	var seen []string
	o.total = 2
	o.Progress = func(done, total int, what string) { seen = append(seen, fmt.Sprint(done, total, what)) }
	o.part("x")
	o.part("y")
	o.part("z")
	if got := strings.Join(seen, " "); got != "1 2 x 2 2 y 2 2 z" && got != "1 2x 2 2y 2 2z" {
		t.Errorf("progress %q", got)
	}
}

// Whole fits of small tables: several tables of a class, another GPU's passed over, what is kept of
// a profile, and what is said of each.
func TestFitsOfSeveralTables(t *testing.T) {
	all := synthetic(0.05)[0]
	first, second, other := all, all, all
	first.Rows, second.Rows = all.Rows[:60], all.Rows[60:]
	second.File, other.Hardware = "gemm_h200_more.csv", "b200"
	o := Options{Folds: 2, Evaluations: 150, Rounds: 1, Source: "s", Commit: "c", Engine: "e", License: "l"}
	steps, last := 0, [2]int{}
	o.Progress = func(done, total int, _ string) { steps++; last = [2]int{done, total} }
	p, r, err := Fit(t.Context(), []Table{first, other, second}, lookup(t, "h200"), o)
	if err != nil {
		t.Fatal(err)
	}
	if steps != 4 || last != [2]int{4, 4} {
		t.Errorf("%d steps of progress, the last %v; want curves, two folds and corrections", steps, last)
	}
	if len(r.Tables) != 2 || r.Tables[0].Rows != 60 || r.Tables[1].Rows != 52 || r.Tables[0].File != first.File || r.Tables[1].File != second.File || len(r.Points) != 112 || r.Hardware != "h200" {
		t.Errorf("%+v of %d points", r.Tables, len(r.Points))
	}
	// Each table's errors are of its own rows.
	for i, pt := range r.Points {
		found := false
		for _, row := range [][]Row{first.Rows, second.Rows}[i/60] {
			found = found || row.Seconds == pt.Measured
		}
		if !found && i%60 < 52 {
			t.Fatalf("point %d is of another table", i)
		}
	}
	from := p.Provenance(kerneltime.ClassGEMM)
	spread := kerneltime.Timed{} // by hand: the least and the most of each
	for _, row := range append(append([]Row(nil), first.Rows...), second.Rows...) {
		s := row.Shape.(*kerneltime.GEMM)
		for name, v := range map[string]float64{"rows": s.M, "columns": s.N, "depth": s.K} {
			r, ok := spread[name]
			if !ok {
				r = [2]float64{v, v}
			}
			spread[name] = [2]float64{min(v, r[0]), max(v, r[1])}
		}
	}
	if !reflect.DeepEqual(from.Timed, spread) {
		t.Errorf("timed %v, want %v", from.Timed, spread)
	}
	from.Timed = nil
	if want := (kerneltime.Provenance{File: second.File, Source: "s", Commit: "c", Engine: "e", License: "l", Rows: 52, MAPE: Significant(r.Tables[1].MAPE, 4),
		MedianAPE: Significant(r.Tables[1].MedianAPE, 4), P90APE: Significant(r.Tables[1].P90APE, 4), Folds: 2}); !reflect.DeepEqual(from, want) {
		t.Errorf("provenance %+v, want %+v", from, want)
	}
	// Formats that nobody timed borrow the curves of the one that was.
	m, timed := kerneltime.ClassGEMM.Facts().Fitting(p), map[int]bool{}
	for _, row := range all.Rows {
		timed[m.Family(m.Curve(row.Shape))] = true
	}
	borrowed := 0
	for c := range m.Curves() {
		f := m.Family(c)
		if timed[f] || !timed[m.Donor(f)] {
			continue
		}
		borrowed++
		for i, x := range m.Params(c) {
			if y := m.Params(c - f + m.Donor(f))[i]; *x.Value != *y.Value {
				t.Errorf("parameter %d of curve %d is %g, of the curve that it borrows %g", i, c, *x.Value, *y.Value)
			}
		}
	}
	if borrowed == 0 {
		t.Error("no curve is borrowed")
	}
	if _, _, err := Fit(t.Context(), []Table{other}, lookup(t, "h200"), o); err == nil || !strings.Contains(err.Error(), "no table of h200 among 1") {
		t.Errorf("no table of its own: %v", err)
	}
	o.Onto = p
	if _, _, err := Fit(t.Context(), []Table{first}, lookup(t, "b200"), o); err == nil || !strings.Contains(err.Error(), "is of h200, not of b200") {
		t.Errorf("onto another GPU's profile: %v", err)
	}
	o.Classes = []kerneltime.Class{kerneltime.ClassDecode}
	if _, _, err := Fit(t.Context(), []Table{first}, lookup(t, "h200"), o); err == nil {
		t.Error("a class that was not asked for was fitted")
	}
	if p.Basis(kerneltime.ClassGEMM).Kind != kerneltime.Fitted || p.Basis(kerneltime.ClassStream).Kind == kerneltime.Fitted {
		t.Errorf("bases %v, %v", p.Basis(kerneltime.ClassGEMM), p.Basis(kerneltime.ClassStream))
	}
	dir := t.TempDir()
	if _, err := ReadDir(dir); err == nil || !strings.Contains(err.Error(), "no file named CLASS_GPU.csv") {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x.csv"), []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(filepath.Join(dir, "x.csv")); err == nil || !strings.Contains(err.Error(), "want a name CLASS_GPU.csv") {
		t.Errorf("a file of another name: %v", err)
	}
	for short, long := range map[string]string{"a100": "a100-80gb", "a100_sxm": "a100-80gb", "h100": "h100-sxm", "h100_sxm": "h100-sxm", "h200_sxm": "h200", "b200_sxm": "b200", "l40s": "l40s"} {
		if got := LongName(short); got != long {
			t.Errorf("%s is %s, want %s", short, got, long)
		}
	}
	if WithoutGPU("nothing", nil) != nil {
		t.Error("predictions without a GPU that there is not")
	}
}

// Where nothing else is asked for, intervals of what is left out come from two folds of the rest.
func TestLeaveOutTakesTwoFolds(t *testing.T) {
	tab := Table{File: "allreduce_h200.csv", Hardware: "h200", Class: kerneltime.ClassAllReduce}
	for i := range 60 {
		s := &kerneltime.AllReduce{GPUs: []float64{2, 4, 8}[i%3], Bytes: math.Exp2(10 + float64(i/3))}
		tab.Rows = append(tab.Rows, Row{Line: i + 2, Shape: s, Seconds: (5e-6 + s.Bytes/200e9) * (1 + 0.5*math.Sin(float64(i)*12.9898))})
	}
	of := func(folds int) TableError {
		var said []string
		o := Options{Folds: folds, Evaluations: 60, Rounds: 1, Progress: func(done, total int, what string) {
			said = append(said, fmt.Sprintf("%d/%d %s", done, total, what))
		}}
		te, ok, err := LeaveOut(t.Context(), &tab, lookup(t, "h200"), Cells, o)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		if len(said) != 5 || said[0] != "0/5 allreduce_h200.csv without cells 0" || said[4] != "4/5 allreduce_h200.csv without cells 4" {
			t.Errorf("progress %q", said)
		}
		return te
	}
	unset, two, many := of(0), of(2), of(9)
	if unset != two {
		t.Errorf("unset %+v, two folds %+v", unset, two)
	}
	if unset.Coverage == many.Coverage {
		t.Errorf("two folds and nine have intervals that hold %.3f", unset.Coverage)
	}
	if unset.Coverage < 0.5 { // of all groups, not the last alone
		t.Errorf("%.3f of what is left out lies inside", unset.Coverage)
	}
	if unset.Basis != "without their cells" || unset.Rows != 60 {
		t.Errorf("%+v", unset)
	}
}
