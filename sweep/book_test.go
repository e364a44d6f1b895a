package sweep

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/internal/golden"
)

// digits writes the numbers of a cell to six digits, which machines agree on.
func digits(cell string) string {
	if v, err := strconv.ParseFloat(cell, 64); err == nil {
		return fmt.Sprintf("%.6g", v)
	}
	return cell
}

// The book of rows: what a small grid says for every parameter, with columns that all of it shares
// written once.
func TestBookOfRows(t *testing.T) {
	var b strings.Builder
	values := map[string]string{
		"model": "sambay(d=8),testdata/model.yaml,sambay(d=8,window=64)", "d": "8,16", "width": "256,512", "gmu_ratio": "0,0.5,1", "window": "32,4096", "heads": "8,16", "kv_heads": "2,4,3",
		"head_dim": "32,64", "d_state": "8,64", "expand": "1,2", "mlp": "512,1024", "vocab": "1000,2000", "differential": "true,false",
		"on": "testdata/device.yaml", "weights": "bf16,fp8,int4", "kv": "bf16,fp8", "state": "bf16,fp32", "conv_state": "bf16,fp32", "cache": "ring,full_window", "compute": "bf16,fp8,fp4",
		"tp": "1,2,3", "kv_read": "packed,per_query_head,packed_unless_windowed", "diff_kernel": "fused,four_pass", "prefill": "skip,full", "memory_fraction": "0.5,1",
		"prompt": "0,100,50000", "generate": "1,50", "batch": "1,7,100000,max", "fidelity": "limit,roofline",
	}
	for _, p := range parameters {
		list, ok := values[p.name]
		if !ok {
			continue // those of other rooms: parallel layouts, simulations
		}
		for _, model := range []string{"sambay(d=8,window=128)", "testdata/model.yaml"} {
			fixed := map[string]string{"model": model, "on": "testdata/device.yaml", "fidelity": "roofline", "prompt": "3000", "generate": "200", "batch": "3"}
			delete(fixed, p.name)
			if p.name == "model" && model != "testdata/model.yaml" {
				continue
			}
			fmt.Fprintf(&b, "%s of %s\n", p.name, model)
			for i, r := range rowsOf(t, 0, fixed, p.name+"="+list) {
				if i == 0 {
					fmt.Fprintf(&b, "  %s\n", strings.Join(r.Columns, " "))
				}
				cells := make([]string, len(r.Values))
				for j, v := range r.Values {
					cells[j] = digits(v)
				}
				fmt.Fprintf(&b, "  %s\n", strings.Join(cells, " | "))
			}
		}
	}
	golden.Check(t, "rows.txt", b.String())
}

// Two axes and a constraint, in both formats, character by character where no price rounds.
func TestFormatsByHand(t *testing.T) {
	g := &Grid{Fixed: map[string]string{"model": "sambay(d=8,window=128)", "on": "testdata/device.yaml", "fidelity": "roofline", "generate": "1"}}
	for _, v := range []string{"batch=2,1,9000000", "prompt=0,64"} {
		a, err := ParseAxis(v)
		if err != nil {
			t.Fatal(err)
		}
		g.Axes = append(g.Axes, a)
	}
	if err := g.Normalise(); err != nil {
		t.Fatal(err)
	}
	begin := func(f Format, from, to int) (lines []string, n Tally) {
		var b bytes.Buffer
		var last [2]int
		n, err := Run(t.Context(), g, f, &b, from, to, func(done, total int) { last = [2]int{done, total} })
		if err != nil {
			t.Fatal(err)
		}
		if last != [2]int{to - from, to - from} {
			t.Errorf("progress ends at %v of rows %d to %d", last, from, to)
		}
		return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n"), n
	}
	rows, n := begin(CSV, 0, 6)
	for i, want := range []string{`0,2,0,"sambay(d=8,window=128)",testdata/device.yaml,1,roofline,ok,,`, `1,2,64,"sambay(d=8,window=128)",testdata/device.yaml,1,roofline,ok,,`,
		`2,1,0,"sambay(d=8,window=128)",testdata/device.yaml,1,roofline,ok,,`, `3,1,64,`, `4,9000000,0,"sambay(d=8,window=128)",testdata/device.yaml,1,roofline,does_not_fit,"does not fit: `, `5,9000000,64,`} {
		if !strings.HasPrefix(rows[i], want) {
			t.Errorf("row %d is %s, want %s…", i, rows[i], want)
		}
	}
	if n.Rows != 6 || n.Priced != 6 || n.Reason != "" || n.Beyond != 0 {
		t.Errorf("counted %+v", n)
	}
	rows, _ = begin(JSONL, 2, 3)
	if len(rows) != 1 || !strings.HasPrefix(rows[0], `{"row":2,"batch":1,"prompt":0,"model":"sambay(d=8,window=128)","on":"testdata/device.yaml","generate":1,"fidelity":"roofline","status":"ok","reason":"","params":`) || !strings.HasSuffix(rows[0], "}") {
		t.Errorf("%q", rows)
	}
	if got, want := CSV.Header(g), "row,batch,prompt,model,on,generate,fidelity,status,reason,params,"; !strings.HasPrefix(got, want) || !strings.HasSuffix(got, ",tokens_per_second_at_max_batch\n") {
		t.Errorf("header %s, want %s…", got, want)
	}
	if JSONL.Header(g) != "" {
		t.Error("JSON lines have a header")
	}
	// A row that is no model has its reason and no figures.
	bad := rowsOf(t, 0, map[string]string{"model": "sambay(d=8)", "on": "testdata/device.yaml"}, "kv_heads=7")[0]
	if bad.Get("status") != "invalid" || bad.Get("reason") == "" || bad.Get("params") != "" || bad.Get("tpot_seconds") != "" {
		t.Errorf("%+v", bad)
	}
}

// Each comparison at, just below and just above its value, for figures of each quantity.
func TestConstraintsByHand(t *testing.T) {
	of := func(name string, v float64) *result {
		i, err := figureOf(name)
		if err != nil {
			t.Fatal(err)
		}
		r := &result{priced: true, fits: true}
		r.fig[i] = v
		return r
	}
	for _, tt := range []struct {
		text, figure      string
		below, at, beyond bool
		value             float64
	}{
		{"tpot<=50ms", "tpot_seconds", true, true, false, 0.05}, {"tpot ≤ 50ms", "tpot_seconds", true, true, false, 0.05}, {"tpot<50ms", "tpot_seconds", true, false, false, 0.05},
		{"ttft>=2s", "ttft_seconds", false, true, true, 2}, {"ttft≥2min", "ttft_seconds", false, true, true, 120}, {"ttft>2us", "ttft_seconds", false, false, true, 2e-6},
		{"ttft>3ns", "ttft_seconds", false, false, true, 3e-9}, {"ttft>3µs", "ttft_seconds", false, false, true, 3e-6}, {"ttft_seconds<3", "ttft_seconds", true, false, false, 3},
		{"max_batch=16", "max_batch", false, true, false, 16}, {"cache<2MB", "cache_bytes", true, false, false, 2e6}, {"cache<2MiB", "cache_bytes", true, false, false, 2 << 20},
		{"cache<2kB", "cache_bytes", true, false, false, 2e3}, {"cache<2KiB", "cache_bytes", true, false, false, 2 << 10}, {"weights<=3GB", "weights_bytes", true, true, false, 3e9},
		{"weights<=3GiB", "weights_bytes", true, true, false, 3 << 30}, {"weights<=3TB", "weights_bytes", true, true, false, 3e12}, {"weights<=3TiB", "weights_bytes", true, true, false, 3 << 40},
		{"weights_bytes<=4", "weights_bytes", true, true, false, 4}, {"throughput>1k", "tokens_per_second", false, false, true, 1000}, {"tpot>0", "tpot_seconds", false, false, true, 0},
	} {
		c, err := ParseConstraint(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		for _, x := range []struct {
			v    float64
			want bool
		}{{tt.value - max(tt.value, 1)*1e-12, tt.below}, {tt.value, tt.at}, {tt.value + max(tt.value, 1)*1e-12, tt.beyond}} {
			if got := c.holds(of(tt.figure, x.v)); got != x.want {
				t.Errorf("%s of %.15g: %v, want %v", tt.text, x.v, got, x.want)
			}
		}
		r := of(tt.figure, tt.value)
		r.priced = false
		if c.holds(r) {
			t.Errorf("%s holds of a row without figures", tt.text)
		}
	}
	near, err := ParseConstraint("params≈2B")
	if err != nil {
		t.Fatal(err)
	}
	for v, want := range map[float64]bool{1.8999e9: false, 1.9001e9: true, 2e9: true, 2.0999e9: true, 2.1001e9: false} {
		if near.holds(of("params", v)) != want {
			t.Errorf("params≈2B of %g: %v", v, !want)
		}
	}
	fits, err := ParseConstraint(" fits ")
	if err != nil || !fits.holds(&result{priced: true, fits: true}) || fits.holds(&result{priced: true}) || fits.holds(&result{fits: true}) {
		t.Errorf("fits: %v", err)
	}
	for text, want := range map[string]string{"tpot<=50": "50 of what? Give its unit: 50ms or 50s", "cache<5": "5 of what? Give its unit: 5MB or 5GB", "cache<5B": "is B bytes or billions?", "tpot": "write FIGURE<=VALUE",
		"nope<3": `no figure "nope" (know fits, params`, "tpot<=xms": "x", "": "write FIGURE<=VALUE"} {
		if _, err := ParseConstraint(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{"tpot<=50ms": "tpot_seconds<=0.05", "params≈2B": "params~2e+09", "fits": "fits"} {
		if c, err := ParseConstraint(text); err != nil || c.String() != want {
			t.Errorf("%s is written %s, want %s", text, c, want)
		}
	}
	if _, err := ParseParamTarget("0"); err == nil {
		t.Error("a target of no parameters")
	}
	if v, err := ParseParamTarget("3.8B"); err != nil || v != 3.8e9 {
		t.Errorf("3.8B is %g, %v", v, err)
	}
}

// Of random rows the frontier is what comparing all pairs leaves, and the best of each value what
// going through them finds.
func TestParetoByBruteForce(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "rows")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		type row struct {
			ttft, tpot, max int
			kind, status    string
		}
		rows := make([]row, n)
		text := "row,kind,status,ttft_seconds,tpot_seconds,max_batch\n"
		for i := range rows {
			rows[i] = row{rng.IntN(5), rng.IntN(5), rng.IntN(5), string(rune('a' + rng.IntN(3))), []string{"ok", "ok", "ok", "does_not_fit", "invalid"}[rng.IntN(5)]}
			r := rows[i]
			text += fmt.Sprintf("%d,%s,%s,%d,%d,%d\n", i, r.kind, r.status, r.ttft, r.tpot, r.max)
		}
		path := filepath.Join(dir, "rows.csv")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		obj, err := ParseObjectives("ttft, tpot,max_batch")
		if err != nil {
			t.Fatal(err)
		}
		noWorse := func(a, b row) bool { return a.ttft <= b.ttft && a.tpot <= b.tpot && a.max >= b.max }
		var want []int
		for i, r := range rows {
			beaten := r.status != "ok"
			for j, o := range rows {
				if o.status == "ok" && j != i && noWorse(o, r) && (!noWorse(r, o) || j < i) {
					beaten = true
				}
			}
			if !beaten {
				want = append(want, i)
			}
		}
		numbers := func(rows []Row) (out []int) {
			for _, r := range rows {
				v, _ := strconv.Atoi(r.Get("row"))
				out = append(out, v)
			}
			return out
		}
		got, err := Pareto(path, obj)
		if err != nil || !slices.Equal(numbers(got), want) {
			t.Fatalf("the frontier is %v, %v; by pairs %v\n%s", numbers(got), err, want, text)
		}
		for _, o := range []Objective{{"ttft_seconds", false}, {"max_batch", true}} {
			best, order := map[string]int{}, []string(nil)
			for i, r := range rows {
				if r.status != "ok" {
					continue
				}
				old, seen := best[r.kind]
				if !seen {
					order = append(order, r.kind)
				}
				if !seen || o.More && r.max > rows[old].max || !o.More && r.ttft < rows[old].ttft {
					best[r.kind] = i
				}
			}
			want := make([]int, 0, len(order))
			for _, k := range order {
				want = append(want, best[k])
			}
			got, err := BestPer(path, "kind", o)
			if err != nil || !slices.Equal(numbers(got), want) && len(want)+len(got) > 0 {
				t.Fatalf("best in %s: %v, %v; want %v\n%s", o.Figure, numbers(got), err, want, text)
			}
		}
	})
	// Digits that a float32 does not hold decide too.
	path := filepath.Join(dir, "near.csv")
	if err := os.WriteFile(path, []byte("row,kind,status,ttft_seconds\n0,a,ok,1.00000001\n1,a,ok,1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	near := []Objective{{"ttft_seconds", false}}
	if rows, err := Pareto(path, near); err != nil || len(rows) != 1 || rows[0].Get("row") != "1" {
		t.Errorf("of 1.00000001 and 1 the frontier is %v, %v", rows, err)
	}
	if rows, err := BestPer(path, "kind", near[0]); err != nil || len(rows) != 1 || rows[0].Get("row") != "1" {
		t.Errorf("of 1.00000001 and 1 the best is %v, %v", rows, err)
	}
	for text, want := range map[string][]Objective{"throughput,tpot": {{"tokens_per_second", true}, {"tpot_seconds", false}}, "-throughput,+tpot": {{"tokens_per_second", false}, {"tpot_seconds", true}}} {
		if got, err := ParseObjectives(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
}

// Parameter counts to solve for are not negative, and grids in JSON are read as YAML is.
func TestGridsOfOtherHands(t *testing.T) {
	for iso, want := range map[float64]string{-1: "iso-params -1 is negative", 0.5: ""} {
		g := &Grid{Fixed: map[string]string{"model": "sambay(d=8)"}, IsoParams: iso}
		if err := g.Normalise(); want == "" && err != nil || want != "" && (err == nil || err.Error() != want) {
			t.Errorf("%g parameters: %v, want %q", iso, err, want)
		}
	}
	g, err := ParseYAML("g.json", []byte(`{"fixed": {"model": "phi4-mini", "batch": 3}, "vary": {"prompt": [1, 2]}}`))
	if err != nil || g.Fixed["batch"] != "3" || len(g.Axes) != 1 || g.Axes[0].Name != "prompt" {
		t.Errorf("a grid in JSON: %+v, %v", g, err)
	}
	for text, want := range map[string]string{"fixed: {model: {a: 1}}": "a value or a list is needed here", "vary: {batch: [[1, 2], 3]}": "a flat list is needed here", "vary: {batch: [{a: 1}]}": "a flat list is needed here", "vary: 3": "a mapping is needed here"} {
		if _, err := ParseYAML("g.yaml", []byte(text+"\n")); err == nil || !strings.HasPrefix(err.Error(), "g.yaml:1: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := ParseYAML("g.json", []byte(`{"architectures": ["x"]}`)); err == nil || !strings.Contains(err.Error(), `g.json:1: unknown field "architectures"`) {
		t.Errorf("another JSON file: %v", err)
	}
	for _, tt := range []struct{ name, value, want string }{{"tp", "0", "tp 0: must be 1 or more"}, {"kv_read", "nope", "kv_read: kv-read \"nope\" is not"}, {"compute", "x", "compute: unknown number format"}, {"model", "nope", "unknown model"}, {"on", "nope", "unknown hardware"},
		{"prompt", "-1", "prompt -1 is not from 0"}, {"memory_fraction", "2", "memory_fraction 2: must be"}} {
		g := &Grid{Fixed: map[string]string{"model": "sambay(d=8)", tt.name: tt.value}}
		if err := g.Normalise(); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, want %s", tt.name, tt.value, err, tt.want)
		}
	}
}

// Ranges up to a million values, and steps too small to count.
func TestLongRanges(t *testing.T) {
	if a, err := ParseAxis("prompt=1:700000:1"); err != nil || len(a.Values) != 700000 || a.Values[699999] != "700000" {
		t.Errorf("700,000 values: %d, %v", len(a.Values), err)
	}
	for _, text := range []string{"prompt=0:1000000:1", "prompt=1:1000002:1", "gmu_ratio=1e18:1e18:0.001", "gmu_ratio=1:2:1e-300"} {
		if _, err := ParseAxis(text); err == nil || !strings.Contains(err.Error(), "more than a million values") {
			t.Errorf("%s: %v", text, err)
		}
	}
	for text, want := range map[string]string{"batch=1:8:*1": "a factor above 1 and a start above 0", "batch=0:8:*2": "a start above 0", "batch=1:8:0": "the step must be positive", "batch=2:1:1": "is empty: 1 is below 2"} {
		if _, err := ParseAxis(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if a, err := ParseAxis("gmu_ratio=0:1:1.00000000001"); err != nil || len(a.Values) != 1 {
		t.Errorf("a step beyond the end: %v, %v", a.Values, err)
	}
}

// A resumed run's progress goes on from the rows that were there; errors of a shard name its line.
func TestProgressAndLines(t *testing.T) {
	g := grid(t)
	dir := t.TempDir()
	for _, name := range []string{"a.csv", "a.jsonl"} {
		path := filepath.Join(dir, name)
		whole := run(t, &File{Path: path, Grid: g})
		os.Remove(path)
		lines := strings.SplitAfter(whole, "\n")
		kept := 100
		if name == "a.csv" {
			kept++ // its header
		}
		if err := os.WriteFile(path+".partial", []byte(strings.Join(lines[:kept], "")), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+".partial.grid", []byte(gridHash(t, g)+" 0/0\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		var seen [][2]int
		f := &File{Path: path, Grid: g, Resume: true, Progress: func(done, total int) { seen = append(seen, [2]int{done, total}) }}
		if got := run(t, f); got != whole {
			t.Errorf("%s resumed differs", name)
		}
		if len(seen) == 0 || seen[len(seen)-1] != [2]int{g.Rows(), g.Rows()} || seen[0][0] <= 100 || seen[0][1] != g.Rows() {
			t.Errorf("%s: progress %v of %d rows", name, seen, g.Rows())
		}

		shard := filepath.Join(dir, "s-"+name)
		text := run(t, &File{Path: shard, Grid: g, Shard: 1, Of: 2})
		lines = strings.SplitAfter(text, "\n")
		lines[10] = strings.Replace(lines[10], "ok", "odd", 1)
		if err := os.WriteFile(shard, []byte(strings.Join(lines, "")), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := Merge(t.Context(), &strings.Builder{}, []string{shard}); err == nil || !strings.Contains(err.Error(), "s-"+name+":11: row ") {
			t.Errorf("%s, its eleventh line changed: %v", name, err)
		}
	}
}

// A column goes by its own name, another spelling of its parameter or a figure's short name.
func TestColumnsByAnyName(t *testing.T) {
	columns := grid(t).Columns()
	for name, want := range map[string]string{"batch": "batch", "concurrency": "batch", "hardware": "on", "gmu-ratio": "gmu_ratio", "tpot": "tpot_seconds", "throughput": "tokens_per_second", "layout": "model", "max_batch": "max_batch"} {
		if got, ok := Column(name, columns); !ok || got != want {
			t.Errorf("%s is column %s, %v; want %s", name, got, ok, want)
		}
	}
	for _, name := range []string{"nope", "tp", "simulate.users", ""} {
		if got, ok := Column(name, columns); ok || got != name {
			t.Errorf("%q is column %s", name, got)
		}
	}
}

// Numbers of a simulated load at the ends of what they may be, and just beyond.
func TestBoundsOfLoads(t *testing.T) {
	for _, tt := range []struct {
		name, value string
		ok          bool
	}{
		{"spread", "0", true}, {"spread", "3", true}, {"spread", "3.0001", false}, {"spread", "-0.0001", false}, {"spread", "x", false},
		{"slo_ttft", "0.001", true}, {"slo_ttft", "0.00099", false}, {"slo_ttft", "1e9", true}, {"slo_ttft", "1.0001e9", false},
		{"slo_tpot", "0.001", true}, {"slo_tpot", "0.00099", false}, {"slo_tpot", "1e9", true}, {"slo_tpot", "1.0001e9", false},
		{"memory_fraction", "1", true}, {"memory_fraction", "1.0001", false}, {"memory_fraction", "0", false}, {"tp", "1", true}, {"tp", "0", false},
		{"batch", "1", true}, {"batch", "0", false}, {"batch", "max", true}, {"batch", "16777216", true}, {"batch", "16777217", false},
		{"prompt", "0", true}, {"prompt", "1073741824", true}, {"prompt", "1073741825", false}, {"generate", "1", true}, {"generate", "0", false},
	} {
		p, err := parameterOf(tt.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.read(tt.value); (err == nil) != tt.ok {
			t.Errorf("%s %s: %v", tt.name, tt.value, err)
		}
	}
	var pt point
	for name, value := range map[string]string{"slo_ttft": "250", "slo_tpot": "30", "spread": "0.5"} {
		p, _ := parameterOf(name)
		s, err := p.read(value)
		if err != nil {
			t.Fatal(err)
		}
		s(&pt)
	}
	if pt.ask.slo.TTFT != 0.25 || pt.ask.slo.TPOT != 0.03 || pt.ask.spread != 0.5 {
		t.Errorf("%+v: milliseconds are thousandths of a second", pt.ask)
	}
}

// Whole numbers are written whole as far as a double counts them, and a width is solved for family
// specs alone.
func TestLargeFiguresAndSmallTargets(t *testing.T) {
	old := figures[0].of
	defer func() { figures[0].of = old }()
	for v, want := range map[float64]string{1<<53 - 1: "9007199254740991", 1 << 53: "9.007199254740992e+15", 1<<53 + 2: "9.007199254740994e+15", 12: "12", 0.5: "0.5", -3: "-3"} {
		figures[0].of = func(*priced) float64 { return v }
		if got := rowsOf(t, 0, map[string]string{"model": "sambay(d=8)"}, "batch=1")[0].Get("params"); got != want {
			t.Errorf("%g is written %s, want %s", v, got, want)
		}
	}
	for _, iso := range []float64{0.5, 1, 1e9} {
		g := &Grid{Fixed: map[string]string{"model": "phi4-mini"}, IsoParams: iso}
		if err := g.Normalise(); err == nil || !strings.Contains(err.Error(), "solves the width of family specs; phi4-mini is none") {
			t.Errorf("%g parameters of a preset: %v", iso, err)
		}
	}
}
