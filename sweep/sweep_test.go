package sweep

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func grid(t *testing.T, where ...string) *Grid {
	t.Helper()
	g := &Grid{Fixed: map[string]string{"model": "sambay(d=8)"}}
	for _, v := range []string{"gmu_ratio=0:1:0.25", "window=64,128", "prompt=1k:4k:1k", "batch=1,2,4,max", "on=a100-80gb,h200"} {
		a, err := ParseAxis(v)
		if err != nil {
			t.Fatal(err)
		}
		g.Axes = append(g.Axes, a)
	}
	for _, w := range where {
		c, err := ParseConstraint(w)
		if err != nil {
			t.Fatal(err)
		}
		g.Where = append(g.Where, c)
	}
	if err := g.Normalise(); err != nil {
		t.Fatal(err)
	}
	return g
}

func run(t *testing.T, f *File) string {
	t.Helper()
	if _, err := f.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func gridHash(t *testing.T, g *Grid) string {
	t.Helper()
	h, err := g.Hash(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestParseAxis(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"prompt=1k:3k:1k", []string{"1000", "2000", "3000"}},
		{"batch=1:8:*2", []string{"1", "2", "4", "8"}},
		{"batch=1,max", []string{"1", "max"}},
		{"gmu_ratio=0:0.3:0.1", []string{"0", "0.1", "0.2", "0.3"}},
		{"generate=2Ki", []string{"2048"}},
		{"gmu_ratio=0.123456789,0.2", []string{"0.123456789", "0.2"}},
		{"model=sambay(d=8,window=64),phi4-mini", []string{"sambay(d=8,window=64)", "phi4-mini"}},
	} {
		a, err := ParseAxis(c.in)
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if d := cmp.Diff(c.want, a.Values); d != "" {
			t.Errorf("%s: %s", c.in, d)
		}
	}
	if a, err := ParseAxis("gmu_ratio=0:1:0.05"); err != nil || len(a.Values) != 21 || a.Values[20] != "1" || a.Values[3] != "0.15" {
		t.Errorf("gmu_ratio=0:1:0.05: %v %v", a.Values, err)
	}
	for _, bad := range []string{"batch", "nope=1", "batch=", "batch=1,,2", "batch=2:1:1", "batch=1:2", "batch=1:2:0", "batch=1:8:*1",
		"batch=0:8:*2", "batch=1.5", "batch=1,1", "prompt=1:1Gi:1", "batch=nan", "gmu_ratio=0x1p3"} {
		if _, err := ParseAxis(bad); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}

// The same bytes whatever the number of cores.
func TestSameBytesOnAnyCores(t *testing.T) {
	g := grid(t)
	var want []byte
	for _, n := range []int{1, 2, 7} {
		old := runtime.GOMAXPROCS(n)
		var b bytes.Buffer
		_, err := Run(context.Background(), g, CSV, &b, 0, g.Rows(), nil)
		runtime.GOMAXPROCS(old)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = b.Bytes()
		} else if !bytes.Equal(want, b.Bytes()) {
			t.Fatalf("%d cores write other bytes", n)
		}
	}
	if n := bytes.Count(want, []byte("\n")); n != g.Rows() {
		t.Fatalf("%d rows of %d", n, g.Rows())
	}
}

// A run cut at any byte and resumed is an uninterrupted run.
func TestResumeAtAnyByte(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.csv", "a.jsonl"} {
		for _, where := range [][]string{nil, {"tpot<=12ms"}} {
			g := grid(t, where...)
			want := run(t, &File{Path: filepath.Join(dir, "whole-"+name), Grid: g})
			os.Remove(filepath.Join(dir, "whole-"+name))
			rng := rand.New(rand.NewPCG(1, 2))
			for range 40 {
				f := &File{Path: filepath.Join(dir, name), Grid: g, Resume: true}
				cut := rng.IntN(len(want) + 1)
				if err := os.WriteFile(f.Path+".partial", []byte(want[:cut]), 0o666); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(f.Path+".partial.grid", []byte(gridHash(t, g)+" 0/0\n"), 0o666); err != nil {
					t.Fatal(err)
				}
				if got := run(t, f); got != want {
					t.Fatalf("%s cut at byte %d of %d differs", name, cut, len(want))
				}
				os.Remove(f.Path)
			}
		}
	}
}

// Cancelled runs leave whole rows behind and go on from there.
func TestCancelAndResume(t *testing.T) {
	g := grid(t)
	dir := t.TempDir()
	want := run(t, &File{Path: filepath.Join(dir, "whole.csv"), Grid: g})
	f := &File{Path: filepath.Join(dir, "a.csv"), Grid: g}
	ctx, cancel := context.WithCancel(context.Background())
	f.Progress = func(done, total int) { cancel() }
	if _, err := f.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled run: %v", err)
	}
	if _, err := os.Stat(f.Path); err == nil {
		t.Fatal("an unfinished run is not the file")
	}
	f.Progress = nil
	var stands *PartialError
	if _, err := f.Run(context.Background()); !errors.As(err, &stands) || !stands.Resumable {
		t.Fatalf("an unfinished run was overwritten: %v", err)
	}
	f.Resume = true
	if got := run(t, f); got != want {
		t.Fatal("resumed differs")
	}
	other := grid(t, "fits")
	os.WriteFile(f.Path+".partial", nil, 0o666)
	os.WriteFile(f.Path+".partial.grid", []byte(gridHash(t, g)+" 0/0\n"), 0o666)
	if _, err := (&File{Path: f.Path, Grid: other, Resume: true}).Run(context.Background()); err == nil {
		t.Fatal("resumed another grid")
	}
}

func TestShardsMerge(t *testing.T) {
	g := grid(t)
	for _, ext := range []string{".csv", ".jsonl"} {
		dir := t.TempDir()
		want := run(t, &File{Path: filepath.Join(dir, "whole"+ext), Grid: g})
		var paths []string
		for i := 1; i <= 3; i++ {
			p := filepath.Join(dir, "s"+string(rune('0'+i))+ext)
			run(t, &File{Path: p, Grid: g, Shard: i, Of: 3})
			paths = append(paths, p)
		}
		var b bytes.Buffer
		if err := Merge(t.Context(), &b, []string{paths[2], paths[0], paths[1]}); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Error("merged shards differ from the whole run")
		}
		alien := filepath.Join(dir, "alien"+ext)
		run(t, &File{Path: alien, Grid: grid(t, "fits"), Shard: 2, Of: 3})
		for what, bad := range map[string][]string{"gap": {paths[0], paths[2]}, "end": {paths[0], paths[1]}, "start": {paths[1], paths[2]},
			"overlap": {paths[0], paths[0], paths[1], paths[2]}, "other grid": {paths[0], alien, paths[2]},
			"no shard": {filepath.Join(dir, "whole"+ext)}, "none": nil, "missing file": {filepath.Join(dir, "x"+ext)}} {
			if err := Merge(t.Context(), &bytes.Buffer{}, bad); err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: error %v", what, err)
			}
		}
	}
}

func TestInvalidRowsHaveReasons(t *testing.T) {
	g := &Grid{Fixed: map[string]string{"model": "sambay(d=8)", "generate": "4000000"}}
	for _, v := range []string{"kv_heads=2,3", "on=a100-80gb,l4", "tp=1,3"} {
		a, err := ParseAxis(v)
		if err != nil {
			t.Fatal(err)
		}
		g.Axes = append(g.Axes, a)
	}
	if err := g.Normalise(); err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(t.TempDir(), "a.csv")
	run(t, &File{Path: p, Grid: g})
	status := map[string]int{}
	if err := Read(p, func(r Row) error {
		status[r.Get("status")]++
		if s := r.Get("status"); s != "ok" && r.Get("reason") == "" {
			t.Errorf("row %s is %s without a reason", r.Get("row"), s)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if status["invalid"] != 6 || status["invalid"]+status["does_not_fit"]+status["ok"] != 8 {
		t.Errorf("statuses %v", status)
	}
}

func TestParetoFront(t *testing.T) {
	g := grid(t, "fits")
	p := filepath.Join(t.TempDir(), "a.csv")
	run(t, &File{Path: p, Grid: g})
	obj, err := ParseObjectives("tokens_per_second,params,cache_bytes")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := Pareto(p, obj)
	if err != nil || len(rows) == 0 {
		t.Fatalf("front %d rows, %v", len(rows), err)
	}
	// Every row of the file is on the front or beaten by a row of it.
	f := front{obj: obj}
	for _, r := range rows {
		f.add(r)
	}
	if len(f.rows) != len(rows) {
		t.Fatal("the front beats itself")
	}
	if err := Read(p, func(r Row) error {
		before := len(f.rows)
		f.add(r)
		if len(f.rows) != before {
			t.Errorf("row %s belongs on the front", r.Get("row"))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	best, err := BestPer(p, "gmu_ratio", Objective{"tokens_per_second", true})
	if err != nil || len(best) != 5 {
		t.Fatalf("best per ratio: %d rows, %v", len(best), err)
	}
}

func TestIsoParams(t *testing.T) {
	g := &Grid{Fixed: map[string]string{"model": "sambay(d=8)"}, IsoParams: 200e6}
	a, _ := ParseAxis("gmu_ratio=0,0.5,1")
	g.Axes = []Axis{a}
	if err := g.Normalise(); err != nil {
		t.Fatal(err)
	}
	p := filepath.Join(t.TempDir(), "a.csv")
	run(t, &File{Path: p, Grid: g})
	rows, err := Pareto(p, []Objective{{"row_none", true}})
	if err != nil || len(rows) != 0 {
		t.Fatal(rows, err)
	}
	n := 0
	Read(p, func(r Row) error {
		n++
		if v := r.Get("params"); len(v) != 9 && !strings.HasPrefix(v, "2") {
			t.Errorf("params %s are not near 200 M", v)
		}
		return nil
	})
	if n != 3 {
		t.Fatalf("%d rows", n)
	}
}

func TestNoRowMeetsConstraint(t *testing.T) {
	p := filepath.Join(t.TempDir(), "a.csv")
	_, err := (&File{Path: p, Grid: grid(t, "params≈900T")}).Run(context.Background())
	if !errors.Is(err, ErrNoRows) {
		t.Fatalf("error %v", err)
	}
	if m, _ := filepath.Glob(p + "*"); len(m) != 0 {
		t.Fatalf("left behind: %v", m)
	}
}

func TestYAML(t *testing.T) {
	g, err := ParseYAML("g.yaml", []byte("fixed: {model: \"sambay(d=8)\", prompt: 2k}\nvary:\n  gmu_ratio: 0:1:0.5\n  batch: [1, 2, max]\nwhere: [fits, \"tpot<=50ms\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	if g.Rows() != 9 || len(g.Where) != 2 || g.Axes[1].Values[2] != "max" {
		t.Errorf("%+v", g)
	}
	for in, line := range map[string]string{"vary:\n  batch: [1\n": "g.yaml:", "vary:\n  nope: 1\n": "g.yaml:2", "fixed: 3": "g.yaml:1",
		"what: 1": "g.yaml:1", "": "g.yaml", "vary: {batch: {a: 1}}": "g.yaml:1", "where: [x<1]": "g.yaml:1"} {
		_, err := ParseYAML("g.yaml", []byte(in))
		if err == nil || !strings.HasPrefix(err.Error(), line) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: error %v", in, err)
		}
	}
}

func FuzzParseAxis(f *testing.F) {
	f.Add("batch=1:8:*2")
	f.Add("prompt=1k:20k:1k")
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := ParseAxis(s); err == nil && len(a.Values) == 0 {
			t.Fatal("an axis without values")
		}
	})
}

func FuzzYAML(f *testing.F) {
	f.Add([]byte("vary:\n  batch: [1, 2]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := ParseYAML("g", b); err != nil && strings.Contains(err.Error(), "\n") {
			t.Fatalf("%q", err)
		}
	})
}
