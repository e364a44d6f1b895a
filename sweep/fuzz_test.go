package sweep

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch/family"
)

// small is a grid of few rows that are cheap to price.
func small(t testing.TB) *Grid {
	g := &Grid{Fixed: map[string]string{"model": "sambay(d=8)"}, Axes: []Axis{{"batch", []string{"1", "2", "4"}}, {"on", []string{"l4", "h200"}}}}
	if err := g.Normalise(); err != nil {
		t.Fatal(err)
	}
	return g
}

// Whatever a file of rows holds, reading it ends in rows of equal columns or in one line.
func FuzzRows(f *testing.F) {
	f.Add("row,batch,status,params\n0,1,ok,5\n1,2,ok,6\n", false)
	f.Add("\ufeffrow,a,a\r\n0,1,2\r\n", false)
	f.Add("{\"row\":0,\"x\":null,\"status\":\"ok\"}\n{\"row\":1}\n", true)
	f.Fuzz(func(t *testing.T, text string, jsonl bool) {
		p := filepath.Join(t.TempDir(), "a.csv")
		if jsonl {
			p = filepath.Join(t.TempDir(), "a.jsonl")
		}
		if err := os.WriteFile(p, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		var first []string
		err := Read(p, func(r Row) error {
			if first == nil {
				first = r.Columns
			}
			if len(r.Columns) != len(first) || len(r.Values) != len(first) || twice(r.Columns) != "" {
				t.Fatalf("columns %q, values %q", r.Columns, r.Values)
			}
			return nil
		})
		oneLineOrNil(t, err)
		_, err = Pareto(p, []Objective{{"params", false}, {"x", true}})
		oneLineOrNil(t, err)
		_, err = BestPer(p, "batch", Objective{"params", true})
		oneLineOrNil(t, err)
	})
}

func oneLineOrNil(t *testing.T, err error) {
	t.Helper()
	if err != nil && (err.Error() == "" || strings.Contains(err.Error(), "\n")) {
		t.Fatalf("error %q", err)
	}
}

// No change to a shard goes by Merge: what it writes is what the sweep wrote.
func FuzzMerge(f *testing.F) {
	dir := f.TempDir()
	var shards [2][2]string // by format
	var want [2]string
	for k, ext := range []string{".csv", ".jsonl"} {
		for i := 0; i <= 2; i++ {
			p := filepath.Join(dir, "s"+ext)
			if _, err := (&File{Path: p, Grid: small(f), Shard: i, Of: 2 * min(i, 1)}).Run(f.Context()); err != nil {
				f.Fatal(err)
			}
			b, err := os.ReadFile(p)
			if err != nil {
				f.Fatal(err)
			}
			if i == 0 {
				want[k] = string(b)
			} else {
				shards[k][i-1] = string(b)
			}
			os.Remove(p)
		}
		for _, c := range []struct {
			at, cut int
			put     string
		}{{0, 0, ""}, {30, 1, "9"}, {400, 10, "\n"}, {100, 0, "\r"}, {900, 400, ""}} {
			f.Add(k == 1, c.at, c.cut, c.put)
		}
	}
	f.Fuzz(func(t *testing.T, jsonl bool, at, cut int, put string) {
		k, ext := 0, ".csv"
		if jsonl {
			k, ext = 1, ".jsonl"
		}
		first := shards[k][0]
		at = min(max(at, 0), len(first))
		cut = min(max(cut, 0), len(first)-at)
		dir := t.TempDir()
		var paths []string
		for i, text := range []string{first[:at] + put + first[at+cut:], shards[k][1]} {
			p := filepath.Join(dir, string(rune('a'+i))+ext)
			if err := os.WriteFile(p, []byte(text), 0o666); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, p)
		}
		var out strings.Builder
		err := Merge(t.Context(), &out, paths)
		oneLineOrNil(t, err)
		if err == nil && out.String() != want[k] || err != nil && out.Len() > 0 {
			t.Fatalf("error %v, %d bytes of %d, not those of the sweep", err, out.Len(), len(want[k]))
		}
	})
}

// Whatever the partial is, a resumed run writes lines that this grid writes, or refuses.
func FuzzResume(f *testing.F) {
	path := filepath.Join(f.TempDir(), "a.csv")
	g := small(f)
	if _, err := (&File{Path: path, Grid: g}).Run(f.Context()); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	id, err := g.Hash(f.Context())
	if err != nil {
		f.Fatal(err)
	}
	whole := string(b)
	known := strings.SplitAfter(whole, "\n")
	for _, at := range []int{0, 10, 400, 1000, len(whole)} {
		f.Add(whole[:min(at, len(whole))])
	}
	f.Add(strings.ReplaceAll(whole, "\n", "\r\n"))
	f.Add(known[0] + known[2])
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "a.csv")
		for p, s := range map[string]string{path + ".partial": text, path + ".partial.grid": id + " 0/0\n"} {
			if err := os.WriteFile(p, []byte(s), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		_, err := (&File{Path: path, Grid: g, Resume: true}).Run(t.Context())
		oneLineOrNil(t, err)
		if err != nil {
			return
		}
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got := strings.SplitAfter(string(b), "\n")
		if len(got) != len(known) {
			t.Fatalf("%d lines, the grid has %d", len(got), len(known))
		}
		for i, l := range got {
			a, _, _ := strings.Cut(l, ",ok,") // figures that someone changed cannot be told
			b, _, _ := strings.Cut(known[i], ",ok,")
			if a != b && !strings.HasPrefix(l, b) {
				t.Fatalf("line %d is %q, want %q", i, l, known[i])
			}
		}
	})
}

func FuzzConstraint(f *testing.F) {
	for _, s := range []string{"tpot<=50ms", "params≈3.8B", "fits", "cache<2GB", "tpot<20", "+params,-ttft", "3.8B"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseConstraint(s)
		oneLineOrNil(t, err)
		if err == nil {
			// As it prints, it is read again as the same.
			if again, err := ParseConstraint(c.String()); err != nil || again != c {
				t.Fatalf("%q is %s, which is %v, %v", s, c, again, err)
			}
		}
		_, err = ParseObjectives(s)
		oneLineOrNil(t, err)
		if v, err := ParseParamTarget(s); err == nil && !(v > 0) {
			t.Fatalf("%q parameters are %g", s, v)
		}
	})
}

// A family spec with an option set on top is the spec that has the option.
func FuzzSpecOverride(f *testing.F) {
	f.Add("sambay(d=8)", "d", "16")
	f.Add("sambay-1b", "window", "1Ki")
	f.Add("gdny(depth=8,tied=false)", "depth", "x")
	f.Add("phi4-mini", "kv_heads", "4")
	f.Fuzz(func(t *testing.T, spec, name, value string) {
		if len(spec) > 200 || strings.ContainsAny(spec, `/\`) {
			return
		}
		g := &Grid{Fixed: map[string]string{"model": spec, name: value}}
		err := g.Normalise()
		oneLineOrNil(t, err)
		if err != nil {
			return
		}
		p := newEngine(g).fixed
		m, err := p.model.build(t.Context(), p.changes, 0)
		oneLineOrNil(t, err)
		if err != nil || p.model.family == "" {
			return
		}
		o := p.model.options
		for _, c := range p.changes {
			if err := o.Set(c.name, c.value); err != nil {
				t.Fatalf("%s %s: %v", c.name, c.value, err)
			}
		}
		again, err := family.ParseSpec(o.Spec(p.model.family))
		if err != nil || again.Params().Total != m.Params().Total || len(again.Layers) != len(m.Layers) {
			t.Fatalf("%s with %s=%s: %v, %v", spec, name, value, m.Params(), err)
		}
	})
}
