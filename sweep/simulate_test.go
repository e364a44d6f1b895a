package sweep

import (
	"bytes"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
	"github.com/OWNER/ridgeline/serving"
)

func servedGrid(t *testing.T, fixed ...string) (*Grid, error) {
	t.Helper()
	g := &Grid{Fixed: map[string]string{"model": "phi4-mini", "prompt": "500", "generate": "50", "fidelity": "calibrated"}}
	for _, f := range fixed {
		name, v, _ := strings.Cut(f, "=")
		g.Fixed[name] = v
	}
	a, err := ParseAxis("batch=1,3")
	if err != nil {
		t.Fatal(err)
	}
	g.Axes = append(g.Axes, a)
	return g, g.Normalise()
}

// A row's simulated figures are those of the engine served with as many clients as its
// batch; the columns are there in no other grid.
func TestSimulatedFigures(t *testing.T) {
	g, err := servedGrid(t, "simulate=vllm-0.14", "spread=0.3", "slo_tpot=20")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "rows.csv")
	whole := run(t, &File{Path: path, Grid: g})
	m, err := models.Open("phi4-mini")
	if err != nil {
		t.Fatal(err)
	}
	hw, err := hardware.Open("a100-80gb")
	if err != nil {
		t.Fatal(err)
	}
	c, err := costmodel.Compile(m, hw, costmodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := serving.EngineNamed("vllm-0.14")
	if err != nil {
		t.Fatal(err)
	}
	d, err := serving.Deploy(e, c, costmodel.Calibrated, serving.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	lengths := func(mean float64) serving.Lengths {
		return serving.Lengths{Mean: mean, Spread: 0.3, Shape: serving.Normal}
	}
	want, err := d.Served(t.Context(), serving.Ask{Clients: 3, Prompt: lengths(500), Generate: lengths(50), SLO: serving.SLO{TPOT: 0.02}})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(whole), "\n")
	row := Row{strings.Split(lines[0], ","), strings.Split(lines[2], ",")}
	for col, v := range map[string]float64{"simulate.tokens_per_second": want.OutputThroughput, "simulate.ttft_seconds": want.TTFT.Mean,
		"simulate.ttft_p99_seconds": want.TTFT.P99, "simulate.tpot_seconds": want.TPOT.Mean, "simulate.tpot_p99_seconds": want.TPOT.P99,
		"simulate.request_seconds": want.E2E.Mean, "simulate.preemptions": 0, "simulate.users": float64(want.Users)} {
		if got := number64(t, row, col); math.Abs(got-v) > 1e-12*v {
			t.Errorf("%s is %g, want %g", col, got, v)
		}
	}
	if want.Users < 5 {
		t.Errorf("%d users", want.Users)
	}
	// Shards and the rows of a file are checked as in any other grid.
	var paths []string
	for i := 1; i <= 2; i++ {
		p := filepath.Join(dir, "s"+string(rune('0'+i))+".jsonl")
		run(t, &File{Path: p, Grid: g, Shard: i, Of: 2})
		paths = append(paths, p)
	}
	var b bytes.Buffer
	if err := Merge(t.Context(), &b, paths); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), `"simulate.users":`); n != 2 {
		t.Errorf("%d merged rows", n)
	}
	plain, err := servedGrid(t)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(plain.Columns(), func(c string) bool { return strings.HasPrefix(c, "simulate.") }) || len(g.Columns()) != len(plain.Columns())+8 {
		t.Errorf("columns %v and %v", plain.Columns(), g.Columns())
	}
	if gridHash(t, plain) == gridHash(t, g) {
		t.Error("grids with and without a simulation are one")
	}
}

// What only a simulation could answer is refused without one; rows that cannot be served
// say why.
func TestSimulatedBadInput(t *testing.T) {
	for _, bad := range []string{"spread=0.3", "slo_ttft=100", "slo_tpot=5", "simulate=abacus"} {
		if _, err := servedGrid(t, bad); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	for _, bad := range []string{"spread=-1", "spread=9", "slo_ttft=0", "slo_tpot=-3"} {
		if _, err := servedGrid(t, "simulate=vllm", bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	g := &Grid{Fixed: map[string]string{"model": "phi4-mini"}}
	c, err := ParseConstraint("simulate.users>=3")
	if err != nil {
		t.Fatal(err)
	}
	g.Where = []Constraint{c}
	if err := g.Normalise(); err == nil || !strings.Contains(err.Error(), "simulate.users>=3") {
		t.Error(err)
	}
	g, err = servedGrid(t, "simulate=vllm-0.7", "prompt=200k")
	if err != nil {
		t.Fatal(err)
	}
	if s := run(t, &File{Path: filepath.Join(t.TempDir(), "x.csv"), Grid: g}); !strings.Contains(s, "invalid,vllm-0.7 serves no request of 200000 + 50 tokens") {
		t.Error(s)
	}
	// An answer of one token has no time per token.
	g, err = servedGrid(t, "simulate=ideal", "generate=1")
	if err != nil {
		t.Fatal(err)
	}
	if s := run(t, &File{Path: filepath.Join(t.TempDir(), "x.jsonl"), Grid: g}); !strings.Contains(s, `"simulate.tpot_seconds":0,`) {
		t.Error(s)
	}
}
