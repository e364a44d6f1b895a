package sweep

import (
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/arch/family"
	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/models"
)

func number64(t *testing.T, r Row, col string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(r.Get(col), 64)
	if err != nil {
		t.Fatalf("%s: %v", col, err)
	}
	return v
}

// The columns of a row are what the cost model says of its point, and hang together.
func TestFigures(t *testing.T) {
	rows := rowsOf(t, 0, map[string]string{"model": "phi4-mini-flash", "on": "h200", "prompt": "2000", "generate": "500"}, "batch=4,max", "fidelity=roofline,calibrated")
	m, err := models.Open("phi4-mini-flash")
	if err != nil {
		t.Fatal(err)
	}
	hw, err := hardware.Open("h200")
	if err != nil {
		t.Fatal(err)
	}
	c, err := costmodel.Compile(m, hw, costmodel.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range []costmodel.Fidelity{costmodel.Roofline, costmodel.Calibrated} {
		four, most := rows[i], rows[2+i]
		largest := c.MaxBatch(costmodel.Workload{Prompt: 2000, Generate: 500})
		memory := c.Memory(costmodel.Workload{Batch: 4, Prompt: 2000, Generate: 500})
		for col, want := range map[string]float64{
			"params": float64(m.Params().Total), "weights_bytes": memory.WeightsBytes, "cache_bytes": memory.BytesPerSequence,
			"cache_bytes_per_token": memory.CacheBytesPerToken, "cache_read_bytes_per_token": memory.CacheReadBytesPerToken,
			"state_bytes_per_sequence": memory.StateBytesPerSequence, "missing_bytes": 0, "max_batch": float64(largest),
			"ttft_seconds": c.At(f).Prefill(costmodel.Workload{Batch: 4, Prompt: 2000}), "tpot_seconds": c.At(f).Generation(costmodel.Workload{Batch: 4, Prompt: 2000, Generate: 500}) / 500,
			"first_step_seconds": c.At(f).Step(4, 2001), "last_step_seconds": c.At(f).Step(4, 2500),
			"request_seconds":                number64(t, four, "ttft_seconds") + 500*number64(t, four, "tpot_seconds"),
			"tokens_per_second":              4 / number64(t, four, "tpot_seconds"),
			"tokens_per_second_at_max_batch": number64(t, most, "tokens_per_second"),
			"devices":                        1, "tokens_per_second_per_device": number64(t, four, "tokens_per_second"),
		} {
			if got := number64(t, four, col); math.Abs(got-want) > 1e-9*math.Abs(want) {
				t.Errorf("%v %s is %g, want %g", f, col, got, want)
			}
		}
		if most.Get("batch") != "max" || number64(t, most, "tpot_seconds") <= number64(t, four, "tpot_seconds") || largest < 100 {
			t.Errorf("%v: at batch max of %d a token takes %s s, at 4 %s s", f, largest, most.Get("tpot_seconds"), four.Get("tpot_seconds"))
		}
	}
}

// The devices of a row are those of all stages and groups, and share its throughput.
func TestDevicesOfARow(t *testing.T) {
	rows := rowsOf(t, 0, map[string]string{"model": "mixtral-8x7b", "on": "h200", "ep": "2", "fidelity": "roofline", "prompt": "1000", "generate": "100", "batch": "12"}, "tp=1,2", "pp=1,2", "dp=2")
	for i, want := range []float64{2, 4, 4, 8} {
		r := rows[i]
		if got := number64(t, r, "devices"); got != want {
			t.Errorf("tp %s pp %s dp %s is of %g devices, want %g", r.Get("tp"), r.Get("pp"), r.Get("dp"), got, want)
		}
		if got, all := number64(t, r, "tokens_per_second_per_device"), 12/number64(t, r, "tpot_seconds"); math.Abs(got*want-all) > 1e-9*all {
			t.Errorf("%g devices of %g tokens a second make %g", want, got, all)
		}
	}
}

// Which way a figure is good, when nobody says.
func TestObjectives(t *testing.T) {
	more := map[string]bool{"max_batch": true, "tokens_per_second": true, "tokens_per_second_at_max_batch": true, "tokens_per_second_per_device": true,
		"simulate.tokens_per_second": true, "simulate.users": true}
	for _, f := range Figures() {
		o, err := ParseObjectives(f + ",-" + f + ",+" + f)
		if err != nil || o[0] != (Objective{f, more[f]}) || o[1].More || !o[2].More {
			t.Errorf("%s: %v %v", f, o, err)
		}
	}
	if o, err := ParseObjectives("throughput, cache"); err != nil || o[0].Figure != "tokens_per_second" || o[1].Figure != "cache_bytes" {
		t.Errorf("%v %v", o, err)
	}
	for _, bad := range []string{"", "nope", "++params", "params,,ttft"} {
		if _, err := ParseObjectives(bad); err == nil {
			t.Errorf("%q has objectives", bad)
		}
	}
}

// A row that is equal in one figure and worse in another is beaten; of equal rows the
// first stays.
func TestFrontByHand(t *testing.T) {
	f := front{obj: []Objective{{"x", false}, {"y", true}}}
	for i, v := range [][2]string{{"1", "5"}, {"1", "6"}, {"2", "6"}, {"3", "9"}, {"1", "6"}, {"0", "1"}, {"4", "9"}, {"", "100"}} {
		f.add(Row{[]string{"row", "x", "y"}, []string{strconv.Itoa(i), v[0], v[1]}})
	}
	var got []string
	for _, r := range f.rows {
		got = append(got, r.Get("row"))
	}
	if s := strings.Join(got, " "); s != "1 3 5" {
		t.Errorf("front %s", s)
	}
}

func TestConstraints(t *testing.T) {
	for in, want := range map[string]string{
		"tpot<20ms": "tpot_seconds<0.02", "tpot <= 20 ms": "tpot_seconds<=0.02", "tpot≤1s": "tpot_seconds<=1", "ttft>=250us": "ttft_seconds>=0.00025",
		"ttft≥2min": "ttft_seconds>=120", "tpot_seconds<0.02": "tpot_seconds<0.02", "cache<2GB": "cache_bytes<2e+09", "weights<=8GiB": "weights_bytes<=8.589934592e+09",
		"cache_bytes<2000": "cache_bytes<2000", "missing=0": "missing_bytes=0", "params≈3.8B": "params~3.8e+09", "params~1.5M": "params~1.5e+06",
		"max_batch>64": "max_batch>64", "throughput>2k": "tokens_per_second>2000", "fits": "fits", " fits ": "fits",
	} {
		if c, err := ParseConstraint(in); err != nil || c.String() != want {
			t.Errorf("%s: %s, %v, want %s", in, c, err, want)
		}
	}
	for in, want := range map[string]string{
		"tpot<20": "20 of what? Give its unit: 20ms or 20s", "request>=3k": "of what", "cache<2": "Give its unit: 2MB or 2GB",
		"cache<2B": "bytes or billions", "tpot<20GB": "not a number", "cache<2ms": "not a number", "params<3ms": "not a number",
		"nope<1": "no figure", "params": "write FIGURE<=VALUE", "": "write FIGURE", "params<": "not a number", "tpot<ms": "not a number", "params<<1": "not a number",
	} {
		if c, err := ParseConstraint(in); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %s, error %v, want %q", in, c, err, want)
		}
	}
}

// Each comparison at, below and above its bound; ≈ is within 5 %.
func TestConstraintHolds(t *testing.T) {
	for op, want := range map[string][5]bool{ // at 94.9, 95.1, 100, 104.9, 105.1
		"<=": {true, true, true, false, false}, "<": {true, true, false, false, false}, ">=": {false, false, true, true, true},
		">": {false, false, false, true, true}, "=": {false, false, true, false, false}, "≈": {false, true, true, true, false},
	} {
		c, err := ParseConstraint("params" + op + "100")
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range []float64{94.9, 95.1, 100, 104.9, 105.1} {
			r := &result{priced: true}
			r.fig[0] = v
			if c.holds(r) != want[i] {
				t.Errorf("%g %s 100 is %t", v, op, !want[i])
			}
			r.priced = false
			if c.holds(r) {
				t.Errorf("a row without figures meets %s", c)
			}
		}
	}
	c, _ := ParseConstraint("fits")
	if c.holds(&result{priced: true}) || !c.holds(&result{priced: true, fits: true}) || c.holds(&result{}) {
		t.Error("fits is that a row fits")
	}
}

// A value that means nothing stops the sweep before its first row, and what is near is
// named; tp 0 and a memory fraction of 0 are no 1.
func TestValuesThatMeanNothing(t *testing.T) {
	for vary, want := range map[string]string{
		"tp=0,1": "tp 0: must be 1 or more", "tp=-1": "must be 1 or more", "memory_fraction=0,1": "memory_fraction 0: must be above 0",
		"memory_fraction=1.5": "must be above 0 and at most 1", "on=h100": "could be h100-", "on=a100-80gb,h20": "did you mean h200?", "on=nosuch": "unknown hardware",
		"batch=0": "batch 0 is not from 1", "generate=0": "generate 0 is not from 1", "prompt=2Gi": "is not from 0 to", "weights=fp9": "fp9",
		"fidelity=exact": "exact", "kv_read=some": "some", "prefill=half": "half", "differential=maybe": "neither true nor false", "window=0": "window 0 sees nothing",
		"model=nosuch": "unknown model", "model=phi4-mini,phi5-mini": "did you mean phi4-mini", "model=sambay(d=16": "not closed", "model=sambay(d=7)": "depth 7",
		"model=no.yaml": "no.yaml: no such file", "gmu_ratio=2": "gmu_ratio",
	} {
		fixed := map[string]string{"model": "sambay(d=8)"}
		if strings.HasPrefix(vary, "model=") {
			fixed = map[string]string{}
		}
		a, err := ParseAxis(vary)
		if err == nil {
			g := &Grid{Fixed: fixed, Axes: []Axis{a}}
			err = g.Normalise()
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", vary, err, want)
		}
		if name, value, _ := strings.Cut(vary, "="); !strings.Contains(value, ",") {
			g := &Grid{Fixed: map[string]string{"model": "sambay(d=8)"}}
			g.Fixed[name] = value
			if err := g.Normalise(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s fixed: error %v, want %q", vary, err, want)
			}
		}
	}
	for name, want := range map[string]string{"bacth": "did you mean batch?", "nope": "know batch, cache, compute", "": "unknown parameter"} {
		if _, err := ParseAxis(name + "=1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", name, err)
		}
	}
	g := &Grid{Fixed: map[string]string{"model": "sambay(d=8)", "on": "a100-80gb\nx"}}
	if err := g.Normalise(); err == nil || !strings.Contains(err.Error(), "control character") {
		t.Errorf("a line break in a value: %v", err)
	}
}

// A window is set in the layers that have one, and in no other.
func TestWindowLeavesFullAttention(t *testing.T) {
	r := rowsOf(t, 0, map[string]string{"model": "phi4-mini-flash", "prompt": "20000"}, "window=512,1024")
	if r[0].Get("cache_bytes_per_token") != r[1].Get("cache_bytes_per_token") || number64(t, r[0], "cache_bytes_per_token") == 0 {
		t.Errorf("a window changes what full attention keeps: %s and %s B a token", r[0].Get("cache_bytes_per_token"), r[1].Get("cache_bytes_per_token"))
	}
	if number64(t, r[1], "cache_bytes") <= number64(t, r[0], "cache_bytes") {
		t.Error("a larger window keeps no more")
	}
	all := rowsOf(t, 0, map[string]string{"model": "phi4-mini"}, "window=128")
	if all[0].Get("status") != "invalid" || !strings.Contains(all[0].Get("reason"), "no layer of phi4-mini has one") {
		t.Errorf("a model without windows took one: %s", all[0].Get("reason"))
	}
}

// The smallest even width whose model has at least as many parameters.
func TestIsoParamsIsLeast(t *testing.T) {
	const target = 200e6
	r := rowsOf(t, target, map[string]string{"model": "sambay(d=8)"}, "gmu_ratio=0,1")
	for _, row := range r {
		ratio, _ := strconv.ParseFloat(row.Get("gmu_ratio"), 64)
		got := number64(t, row, "params")
		for w := 2; ; w += 2 {
			m, err := family.Build("sambay", family.Options{Depth: 8, Width: w, GMURatio: &ratio})
			if err != nil {
				t.Fatal(err)
			}
			if n := float64(m.Params().Total); n >= target {
				if n != got {
					t.Errorf("ratio %g: %g parameters, width %d has %g", ratio, got, w, n)
				}
				break
			}
		}
	}
	g := &Grid{Fixed: map[string]string{"model": "phi4-mini"}, IsoParams: target}
	if err := g.Normalise(); err == nil || !strings.Contains(err.Error(), "phi4-mini is none") {
		t.Errorf("a model of given shapes: %v", err)
	}
}

// Why a row does not fit: what is missing and how many would fit, or that not even one does.
func TestWhyARowDoesNotFit(t *testing.T) {
	rows := rowsOf(t, 0, map[string]string{"model": "llama-3.1-8b", "on": "l4", "prompt": "2000", "generate": "1"}, "batch=1,1000000")
	if s := rows[0].Get("status"); s != "ok" || rows[0].Get("reason") != "" {
		t.Errorf("one sequence: %s, %s", s, rows[0].Get("reason"))
	}
	if s, want := rows[1].Get("reason"), "largest batch "+rows[1].Get("max_batch"); rows[1].Get("status") != "does_not_fit" || !strings.HasPrefix(s, "does not fit: ") || !strings.HasSuffix(s, want) {
		t.Errorf("a million sequences: %s, %q, want what is missing and %q", rows[1].Get("status"), s, want)
	}
	none := rowsOf(t, 0, map[string]string{"model": "llama-3.1-70b", "on": "l4", "prompt": "2000", "generate": "1"}, "batch=max")[0]
	if none.Get("status") != "does_not_fit" || none.Get("reason") != "not even one sequence fits" || none.Get("tokens_per_second_at_max_batch") != "0" {
		t.Errorf("a model larger than the device: %s, %q, %s tokens per second", none.Get("status"), none.Get("reason"), none.Get("tokens_per_second_at_max_batch"))
	}
}

// Of the rows of a value the best stays, of equally good ones the first; rows that do not
// fit are no candidates.
func TestBestPerByHand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rows.csv")
	if err := os.WriteFile(path, []byte("row,m,status,x\n0,b,ok,3\n1,a,ok,5\n2,b,ok,7\n3,b,ok,7\n4,a,does_not_fit,9\n5,a,ok,2\n6,c,invalid,\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for more, want := range map[bool]string{true: "2 1", false: "0 5"} {
		rows, err := BestPer(path, "m", Objective{"x", more})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range rows {
			got = append(got, r.Get("row"))
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("more is better %v: rows %s, want %s", more, s, want)
		}
	}
	if _, err := BestPer(path, "n", Objective{"x", true}); err == nil || !strings.Contains(err.Error(), `no column "n" (has row, m, status, x)`) {
		t.Errorf("a column that is not there: %v", err)
	}
}
