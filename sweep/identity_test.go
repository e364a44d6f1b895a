package sweep

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A parameter that a grid has twice, under whatever spelling, is an error, every time.
func TestParameterGivenTwice(t *testing.T) {
	for _, c := range []struct {
		fixed map[string]string
		axis  string
		want  string
	}{
		{map[string]string{"on": "h200", "hardware": "l4"}, "", "hardware and on are the same parameter"},
		{map[string]string{"batch": "2", "concurrency": "3"}, "", "batch and concurrency are the same parameter"},
		{map[string]string{"kv_heads": "2", "kv-heads": "4"}, "", "kv-heads and kv_heads are the same parameter"},
		{map[string]string{"concurrency": "3"}, "batch=1,2", "concurrency has one value and varies"},
	} {
		for range 20 {
			g := &Grid{Fixed: map[string]string{"model": "sambay(d=8)"}}
			for n, v := range c.fixed {
				g.Fixed[n] = v
			}
			if c.axis != "" {
				a, err := ParseAxis(c.axis)
				if err != nil {
					t.Fatal(err)
				}
				g.Axes = append(g.Axes, a)
			}
			if err := g.Normalise(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v %s: error %v, want %q", c.fixed, c.axis, err, c.want)
			}
		}
	}
	for text, want := range map[string]string{
		"fixed: {model: phi4-mini,\n  on: h200,\n  hardware: l4}\n":                  "g.yaml:3: hardware is the parameter that on gives already",
		"fixed: {model: phi4-mini, concurrency: 3}\nvary:\n  batch: [1, 2]\n":        "g.yaml:3: batch is the parameter that concurrency gives already",
		"fixed: {model: phi4-mini}\nvary:\n  depth: [8, 16]\n  d: [8]\n":             "g.yaml:4: d is the parameter d that varies already",
		"fixed: {model: phi4-mini, batch: [1, 2]}\n":                                 "g.yaml:1: batch has 2 values",
		"fixed: {model: phi4-mini,\n  tp: many}\n":                                   `g.yaml:2: tp: "many" is not a number`,
		"vary:\n  layout: [phi4-mini, \"sambay(d=8)\"]\nfixed: {model: phi4-mini}\n": "g.yaml:3: model is the parameter model that varies already",
	} {
		if _, err := ParseYAML("g.yaml", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}

// A value takes the place of any other value or axis; an axis that of an axis, where it
// stands.
func TestFixAndVary(t *testing.T) {
	text := "fixed: {hardware: l4, model: phi4-mini}\nvary:\n  concurrency: [1, 2]\n  prompt: [1k, 2k]\n"
	load := func() *Grid {
		g, err := ParseYAML("g.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	axis := func(s string) Axis {
		a, err := ParseAxis(s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	head := func(g *Grid, err error) string {
		if err == nil {
			err = g.Normalise()
		}
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(g.Columns()[:5], ",") + " " + g.Fixed["on"] + " " + g.Fixed["batch"]
	}
	g := load()
	if got := head(g, g.Fix("on", "h200")); got != "row,batch,prompt,model,on h200 " {
		t.Errorf("on fixed: %s", got)
	}
	g = load()
	if got := head(g, g.Fix("concurrency", "7")); got != "row,prompt,model,on,generate l4 7" {
		t.Errorf("batch fixed: %s", got)
	}
	g = load()
	if got := head(g, g.Vary(axis("batch=4,8"), true)); got != "row,batch,prompt,model,on l4 " || g.Axes[0].Values[0] != "4" {
		t.Errorf("batch varied: %s %v", got, g.Axes)
	}
	g = load()
	if got := head(g, g.Vary(axis("on=l4,h200"), false)); got != "row,batch,prompt,on,model  " {
		t.Errorf("on varied: %s", got)
	}
	g = load()
	if got := head(g, g.Vary(axis("on=l4,h200"), true)); got != "row,on,batch,prompt,model  " {
		t.Errorf("on varied first: %s", got)
	}
}

// What a grid prices is part of what it is: rows of two versions of a model or a device
// file are not mixed, though the file's name is the same.
func TestIdentityHoldsContents(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "m.yaml")
	device := filepath.Join(dir, "d.yaml")
	write := func(path, text string) {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	mixers := "width: 512\nvocab: 1000\nlayout: (a)*4\nmixers:\n  a: {kind: attention, heads: 8, kv_heads: KV, head_dim: 64}\nffn: {kind: swiglu, inner: 2048}\n"
	hw := "name: mine\ntitle: Mine\npeak_flops: {bf16: 100e12, fp32: 10e12}\nmemory_bandwidth: BW\nmemory_capacity: 80e9\n"
	write(model, strings.Replace(mixers, "KV", "8", 1))
	write(device, strings.Replace(hw, "BW", "1e12", 1))
	open := func(where ...string) *Grid {
		g := &Grid{Fixed: map[string]string{"model": model, "on": device}, Axes: []Axis{{"batch", []string{"1", "2", "3", "4"}}}}
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
	first := open()
	hash := gridHash(t, first)
	if again := gridHash(t, open()); again != hash {
		t.Fatalf("one grid has two identities: %s and %s", hash, again)
	}
	shard := func(i int, g *Grid) string {
		p := filepath.Join(dir, "s"+string(rune('0'+i))+".csv")
		run(t, &File{Path: p, Grid: g, Shard: i, Of: 2})
		return p
	}
	s1 := shard(1, first)
	partial := filepath.Join(dir, "p.csv")
	write(partial+".partial", "")
	write(partial+".partial.grid", hash+" 0/0\n")

	write(model, strings.Replace(mixers, "KV", "4", 1))
	changed := open()
	if gridHash(t, changed) == hash {
		t.Error("another model under the same name has the same identity")
	}
	if gridHash(t, first) != hash {
		t.Error("a grid that was read prices the file as it was then")
	}
	s2 := shard(2, changed)
	if err := Merge(t.Context(), &strings.Builder{}, []string{s1, s2}); err == nil || !strings.Contains(err.Error(), "has changed between them") {
		t.Errorf("shards of two models merge: %v", err)
	}
	var stands *PartialError
	if _, err := (&File{Path: partial, Grid: changed, Resume: true}).Run(t.Context()); !errors.As(err, &stands) || stands.Resumable {
		t.Errorf("a run of another model was resumed: %v", err)
	}
	write(model, strings.Replace(mixers, "KV", "8", 1))
	write(device, strings.Replace(hw, "BW", "1.1e12", 1))
	if gridHash(t, open()) == hash {
		t.Error("another device under the same name has the same identity")
	}
	write(device, strings.Replace(hw, "BW", "1e12", 1))
	if gridHash(t, open()) != hash {
		t.Error("the files as they were have another identity")
	}
	write(device, strings.Replace(hw, "BW", "1e12", 1)+"notes: [another revision]\n")
	if gridHash(t, open()) == hash {
		t.Error("what shows in no price is left out of the identity")
	}
	write(device, strings.Replace(hw, "BW", "1e12", 1))
	if gridHash(t, open("fits")) == hash {
		t.Error("a constraint leaves the identity as it is")
	}
}

// Of each model, device and fidelity at least one row's price is part of the identity, and
// of few rows in all.
func TestProbeRows(t *testing.T) {
	g := grid(t)
	g.Axes = append([]Axis{{"fidelity", []string{"roofline", "limit", "calibrated"}}}, g.Axes...)
	g.Axes = append(g.Axes, Axis{"model", make([]string, 100)})
	at := make([]int, len(g.Axes))
	seen := map[string]map[int]bool{}
	rows := g.probeRows()
	for _, r := range rows {
		if r < 0 || r >= g.Rows() {
			t.Fatalf("row %d of %d", r, g.Rows())
		}
		g.place(r, at)
		for i, a := range g.Axes {
			if seen[a.Name] == nil {
				seen[a.Name] = map[int]bool{}
			}
			seen[a.Name][at[i]] = true
		}
	}
	if len(seen["fidelity"]) != 3 || len(seen["on"]) != 2 || len(seen["model"]) != probes || !seen["model"][99] || len(rows) > 2+2+1+probes {
		t.Errorf("%d rows: %d fidelities, %d devices, %d models", len(rows), len(seen["fidelity"]), len(seen["on"]), len(seen["model"]))
	}
}

// Another price of a probed row makes another grid; the last digits do not, for machines
// round differently.
func TestIdentityHoldsPrices(t *testing.T) {
	g := grid(t)
	hash := gridHash(t, g)
	old := figures[0].of
	defer func() { figures[0].of = old }()
	for factor, same := range map[float64]bool{1: true, 1 + 1e-12: true, 1.001: false} {
		figures[0].of = func(p *priced) float64 { return old(p) * factor }
		if got := gridHash(t, g); (got == hash) != same {
			t.Errorf("prices times %g: the identity is the same: %t", factor, got == hash)
		}
	}
}

// What a run that is stopped has written is rows without a gap from the first on.
func TestStoppedRunIsAPrefix(t *testing.T) {
	g := grid(t)
	g.Axes = append(g.Axes, Axis{"tp", []string{"1", "2"}})
	for i := range 60 {
		g.Axes[2].Values = append(g.Axes[2].Values, strconv.Itoa(5000+i))
	}
	if err := g.Normalise(); err != nil {
		t.Fatal(err)
	}
	var whole bytes.Buffer
	if _, err := Run(t.Context(), g, CSV, &whole, 0, g.Rows(), nil); err != nil {
		t.Fatal(err)
	}
	for try := range 40 {
		ctx, cancel := context.WithCancel(t.Context())
		var b bytes.Buffer
		time.AfterFunc(time.Duration(try)*200*time.Microsecond, cancel)
		n, err := Run(ctx, g, CSV, &b, 0, g.Rows(), nil)
		cancel()
		if !bytes.HasPrefix(whole.Bytes(), b.Bytes()) || bytes.Count(b.Bytes(), []byte("\n")) != n.Rows || err == nil && n.Rows != g.Rows() {
			t.Fatalf("try %d: %d rows of %d, %v: not the first rows", try, n.Rows, g.Rows(), err)
		}
	}
}
