package kerneltime

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/OWNER/ridgeline/hardware"
	"github.com/OWNER/ridgeline/internal/golden"
	"github.com/OWNER/ridgeline/internal/records"
	"github.com/OWNER/ridgeline/precision"
)

// frozen is a fitted profile that no later fit changes.
func frozen(t testing.TB) *Profile {
	t.Helper()
	data, err := os.ReadFile("../testdata/frozen.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse("frozen.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// device is a GPU of round figures.
func device(name, arch string, factor float64) *hardware.Profile {
	f := func(v float64) hardware.Figure { return hardware.Figure{Value: v, Source: "test"} }
	return &hardware.Profile{Name: name, Vendor: "NVIDIA", Arch: arch,
		Peak: map[precision.DType]hardware.Figure{
			precision.BF16: f(900e12 * factor), precision.FP8: f(1800e12 * factor), precision.FP32: f(60e12 * factor)},
		MemoryBandwidth: f(4.5e12 * factor), Cache: f(50e6), Units: f(132), LinkBandwidth: f(450e9)}
}

// pick is some of the pairs of shapes of a class: those of its lattice, every so many.
func pick(c Class, p *Profile, most int) (shapes []any) {
	var all []any
	c.Facts().Fitting(p).Lattice(func(small, large any) { all = append(all, small, large) })
	step := max(len(all)/most, 1) | 1 // odd, so that both of pairs come
	for i := 0; i < len(all); i += step {
		shapes = append(shapes, all[i])
	}
	return shapes
}

// The book of kernels: for shapes of every class the physics, correction, estimate and roofline on
// the GPU that was fitted, and estimates on one that is a relative and one that is not.
func TestBookOfKernels(t *testing.T) {
	p := frozen(t)
	relatives := map[string]*Profile{}
	for name, hw := range map[string]*hardware.Profile{"a sibling": device("sibling", "hopper", 0.8), "another architecture": device("stranger", "ampere", 0.4)} {
		q, err := With(hw, p)
		if err != nil {
			t.Fatal(err)
		}
		relatives[name] = compose(hw.Name, NewDevice(hw), []*Profile{p})
		if a, b := q.Hardware(), relatives[name].Hardware(); a != b {
			t.Errorf("a profile of %s, one of %s", a, b)
		}
	}
	plain, err := New(device("plain", "hopper", 1))
	if err != nil {
		t.Fatal(err)
	}
	var rows []golden.Row
	var words strings.Builder
	for _, c := range Classes() {
		f := c.Facts()
		fit := f.Fitting(p)
		fmt.Fprintf(&words, "%s: %d curves, basis %s\n", c, fit.Curves(), p.Basis(c))
		for i := range fit.Curves() {
			fmt.Fprintf(&words, "  curve %d of family %d, borrows from %d, %d parameters\n", i, fit.Family(i), fit.Donor(fit.Family(i)), len(fit.Params(i)))
		}
		fmt.Fprintf(&words, "  stiffness %+v\n", fit.Stiffness())
		for i, table := range fit.Corrections() {
			fmt.Fprintf(&words, "  correction %d: %d slices, axes %+v, %d values\n", i, table.Slices, table.Axes, len(table.Values))
		}
		for _, s := range pick(c, p, 60) {
			name := f.Describe(s)
			fmt.Fprintf(&words, "  %s: curve %d", name, fit.Curve(s))
			for _, by := range []string{ByHeads, ByHeadDim, ByMatrix, ByContexts} {
				if v, ok := f.Group(by, s); ok {
					fmt.Fprintf(&words, ", %s %.6g", by, v)
				}
			}
			for i := range fit.Corrections() {
				slice, x := fit.Locate(i, s)
				fmt.Fprintf(&words, ", slice %d at %.6g", slice, x)
			}
			fmt.Fprintln(&words)
			e := f.Predict(p, s)
			rows = append(rows, golden.Row{Name: c.String() + ", " + name, Values: []float64{1e6 * fit.Physics(s), 1e6 * e.Seconds, 1e6 * e.Low, 1e6 * e.High, 1e6 * f.Roofline(p, s)}},
				golden.Row{Name: "  corrected by, and as the datasheet has it", Values: []float64{fit.Correct(s), LogTime(f.Fitting(plain), s)}})
		}
		pairs, dips, worst := p.Dips(c)
		fmt.Fprintf(&words, "  %d pairs, %d dip, the worst by %.4f\n", pairs, dips, worst)
		for _, name := range []string{"a sibling", "another architecture"} {
			q := relatives[name]
			fmt.Fprintf(&words, "  on %s: %s, measured in bf16 %v, in fp8 %v\n", name, q.Basis(c), q.MeasuredIn(c, precision.BF16), q.MeasuredIn(c, precision.FP8))
			for _, s := range pick(c, q, 12) {
				e := f.Predict(q, s)
				rows = append(rows, golden.Row{Name: c.String() + " on " + name + ", " + f.Describe(s), Values: []float64{1e6 * e.Seconds, 1e6 * e.Low, 1e6 * e.High}})
			}
		}
	}
	golden.Numbers(t, "kernels.txt", rows, 2e-5)
	golden.Check(t, "classes.txt", words.String())
}

// A line of a table of each class, and what becomes of its shape when one column says something else.
func TestBookOfColumns(t *testing.T) {
	var b strings.Builder
	for _, tt := range []struct {
		class  Class
		header string
		line   string
		other  map[string]string
	}{
		{ClassGEMM, "dtype,m,n,k", "bfloat16,3,5,7", map[string]string{"dtype": "fp8 int8 float16 fp17 fp32", "m": "4 0 1.5 x 1099511627777", "n": "6 0", "k": "8 0"}},
		{ClassDecode, "kv_dtype,batch,heads,kv_heads,head_dim,window,context", "bfloat16,3,8,4,64,0,100",
			map[string]string{"kv_dtype": "fp8 x", "batch": "4 0", "heads": "16 2 0", "kv_heads": "2 16 0", "head_dim": "128 0", "window": "7 -1", "context": "200 0"}},
		{ClassPrefill, "dtype,batch,heads,kv_heads,head_dim,window,prompt", "bfloat16,3,8,4,64,0,100", map[string]string{"batch": "4 0", "heads": "16 2", "kv_heads": "2 16", "head_dim": "128 0", "window": "7 -1", "prompt": "200 0"}},
		{ClassAllReduce, "backend,dtype,gpus,message_elements", "vllm_graph,bfloat16,4,256", map[string]string{"backend": "vllm_eager nccl", "dtype": "fp8", "gpus": "2 1 0", "message_elements": "512 0"}},
		{ClassMamba1, "kernel,batch,seq_len,d_inner,d_state,gated,state_dtype", "scan,3,50,1024,16,0,float32", map[string]string{"kernel": "step nope", "gated": "1 2", "batch": "4 0", "seq_len": "60 0", "d_inner": "512 0", "d_state": "8 0", "state_dtype": "bfloat16 float16 fp8"}},
		{ClassSSD, "kernel,batch,seq_len,heads,head_dim,d_state,groups,chunk,state_dtype", "scan,3,50,16,64,128,2,256,float32",
			map[string]string{"kernel": "step nope", "batch": "4 0", "seq_len": "60 0", "heads": "8 3 0", "head_dim": "32 0", "d_state": "64", "groups": "1", "chunk": "128 0", "state_dtype": "bfloat16"}},
		{ClassConv, "kernel,layout,batch,seq_len,channels,d_conv", "causal_conv1d_fn,channels_first,3,50,1024,4", map[string]string{"kernel": "causal_conv1d_update nope", "layout": "channels_last nope", "batch": "4 0", "seq_len": "60 0", "channels": "512 0", "d_conv": "3 0"}},
		{ClassUnpacked, "kv_dtype,batch,heads,kv_heads,head_dim,window,context,layout", "bfloat16,3,8,4,64,0,100,paged16", map[string]string{"layout": "contiguous nope", "kv_heads": "2 16", "context": "200"}},
		{ClassMLA, "kv_dtype,batch,heads,kv_lora_rank,rope_dim,context", "bfloat16,3,16,512,64,100",
			map[string]string{"kv_dtype": "fp8 x", "batch": "4 0", "heads": "17 0", "kv_lora_rank": "256 0", "rope_dim": "0 -1", "context": "200 0 1.5"}},
		{ClassCollective, "op,mode,gpus,message_bytes", "all_gather,graph,2,1024", map[string]string{"op": "p2p nope", "mode": "eager nope", "gpus": "4 1 0", "message_bytes": "2048 0"}},
		{ClassStream, "kernel,width,bytes", "norm,1024,4096", map[string]string{"kernel": "norm_add gate nope", "bytes": "40 0", "width": "512 0"}},
	} {
		fmt.Fprintf(&b, "%s\n", tt.class)
		read := func(line string) string {
			text := ""
			err := records.Each(strings.NewReader(tt.header+"\n"+line+"\n"), "x.csv", func(r *records.Record) error {
				s := tt.class.Facts().Read(r)
				text = fmt.Sprintf("%+v, %s", s, tt.class.Facts().Describe(s))
				return r.Err()
			})
			if err != nil {
				return err.Error()
			}
			return text
		}
		fmt.Fprintf(&b, "  %s: %s\n", tt.line, read(tt.line))
		values := strings.Split(tt.line, ",")
		for i, column := range strings.Split(tt.header, ",") {
			for _, other := range strings.Fields(tt.other[column]) {
				changed := append([]string(nil), values...)
				changed[i] = other
				fmt.Fprintf(&b, "  %s %s: %s\n", column, other, read(strings.Join(changed, ",")))
			}
		}
	}
	golden.Check(t, "columns.txt", b.String())
}

// What a shape moves and computes, written out as loops over its elements.
func TestShapesByLoops(t *testing.T) {
	for _, window := range []float64{0, 1, 5, 40, 100} {
		for _, past := range []float64{0, 3, 7, 50} {
			for _, prompt := range []float64{1, 4, 30} {
				s := PrefillAttention{Batch: 2, Heads: 6, KVHeads: 3, HeadDim: 8, Window: window, Prompt: prompt, Past: past}
				pairs, seen := 0.0, map[float64]bool{}
				for q := past + 1; q <= past+prompt; q++ {
					for k := 1.0; k <= q; k++ {
						if window == 0 || k > q-window {
							pairs++
							seen[k] = true
						}
					}
				}
				if s.Pairs() != pairs || s.Keys() != float64(len(seen)) {
					t.Errorf("%+v: %g pairs over %g keys, by loops %g over %d", s, s.Pairs(), s.Keys(), pairs, len(seen))
				}
				if want := 2 * 6 * pairs * (2*8 + 2*8); s.FLOPs() != want {
					t.Errorf("%+v: %g FLOPs, want %g", s, s.FLOPs(), want)
				}
				if want := 2 * 2 * (2*prompt*6*8 + 2*float64(len(seen))*3*8); s.Bytes() != want {
					t.Errorf("%+v: %g bytes, want %g", s, s.Bytes(), want)
				}
				d := DecodeAttention{Batch: 2, Heads: 6, KVHeads: 3, HeadDim: 8, Window: window, Context: past + prompt, KVDType: precision.FP8}
				visible := past + prompt
				if window > 0 {
					visible = min(visible, window)
				}
				if d.Visible() != visible || d.FLOPs() != 2*6*visible*(2*8+2*8) || d.Bytes() != 2*visible*3*(8+8) {
					t.Errorf("%+v: sees %g, %g FLOPs, %g bytes", d, d.Visible(), d.FLOPs(), d.Bytes())
				}
				d.Seen = 2.5
				if d.Visible() != 2.5 {
					t.Errorf("%+v sees %g", d, d.Visible())
				}
			}
		}
	}
	g := GEMM{M: 3, N: 5, K: 7, DType: precision.FP8}
	if g.FLOPs() != 210 || g.Bytes() != 21+35+30 {
		t.Errorf("a product of 3×7 and 7×5: %g FLOPs, %g bytes", g.FLOPs(), g.Bytes())
	}
}

// Sums, factors and floors of estimates by hand.
func TestEstimatesByHand(t *testing.T) {
	e := Estimate{10, 8, 14}
	if got := e.Times(3); got != (Estimate{30, 24, 42}) {
		t.Errorf("three times: %+v", got)
	}
	if got := e.AtLeast(10); got != e {
		t.Errorf("at least itself: %+v", got)
	}
	if got := e.AtLeast(20); got != (Estimate{20, 20, 28}) {
		t.Errorf("at least twice: %+v", got)
	}
	var s Sum
	s.Add(Estimate{10, 7, 14}) // 3 below, 4 above
	s.Add(Estimate{20, 16, 23})
	s.AddExact(5)
	want := Estimate{35, 35 - math.Sqrt((7*7+9+16)/2.0), 35 + math.Sqrt((7*7+16+9)/2.0)}
	if got := s.Estimate(); math.Abs(got.Low-want.Low) > 1e-12 || math.Abs(got.High-want.High) > 1e-12 || got.Seconds != 35 {
		t.Errorf("a sum of %+v, want %+v", got, want)
	}
	var low Sum
	low.Add(Estimate{1, -4, 1})
	if got := low.Estimate(); got.Low != 0 {
		t.Errorf("a sum from %g on", got.Low)
	}
	spread := Spread{Low: []float64{0.5, 0.8, 0.9}, High: []float64{3, 2, 1.5}}
	for seconds, want := range map[float64][2]float64{0.1e-6: {0.5, 3}, 1.9e-6: {0.5, 3}, 2e-6: {0.8, 2}, 3.9e-6: {0.8, 2}, 4e-6: {0.9, 1.5}, 1: {0.9, 1.5}} {
		if l, h := spread.Bounds(seconds); math.Abs(l/seconds-want[0]) > 1e-12 || math.Abs(h/seconds-want[1]) > 1e-12 {
			t.Errorf("%g s: from %g to %g of it, want %v", seconds, l/seconds, h/seconds, want)
		}
	}
	if l, h := new(Spread).Bounds(4); l != 2 || h != 8 {
		t.Errorf("without a spread 4 s are %g to %g", l, h)
	}
	wide := spread.widen(math.Log(2))
	if got, want := wide.Low[0], round(math.Exp(-math.Sqrt2*math.Log(2))); got != want {
		t.Errorf("half and half again come to %g, want %g", got, want)
	}
	if got, want := wide.High[1], round(math.Exp(math.Sqrt2*math.Log(2))); got != want {
		t.Errorf("twice and twice again come to %g, want %g", got, want)
	}
	if same := spread.widen(0); same.Low[0] != 0.5 || same.High[0] != 3 {
		t.Errorf("widened by nothing: %+v", same)
	}
	about := Estimate{10, 5, 20}
	for _, tt := range []struct {
		dims     []float64
		measured bool
		wider    float64
	}{{nil, true, 0}, {[]float64{64, 128}, true, 0}, {[]float64{64}, true, 0.25}, {nil, false, 0.4}, {[]float64{64}, false, math.Hypot(0.25, 0.4)}} {
		got := about.among(tt.dims, 128, tt.measured)
		w := math.Hypot(math.Log(2), tt.wider)
		if math.Abs(got.Low-10*math.Exp(-w)) > 1e-9 || math.Abs(got.High-10*math.Exp(w)) > 1e-9 || got.Seconds != 10 {
			t.Errorf("head dimensions %v, measured %v: %+v, want a factor of %g", tt.dims, tt.measured, got, math.Exp(w))
		}
	}
}

// Devices by hand: what is missing is generic, and distances add up.
func TestDevicesByHand(t *testing.T) {
	f := func(v float64) hardware.Figure { return hardware.Figure{Value: v} }
	hw := &hardware.Profile{Arch: "x", MemoryBandwidth: f(2e12), LinkBandwidth: f(3e9), Peak: map[precision.DType]hardware.Figure{precision.FP32: f(10e12), precision.TF32: f(20e12)}}
	if got, want := NewDevice(hw), (Device{Arch: "x", Peak: [2]float64{20e12, 20e12}, Bandwidth: 2e12, Cache: 32 << 20, Units: 100, Link: 3e9}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	hw.Peak[precision.BF16], hw.Peak[precision.FP16], hw.Peak[precision.INT8] = f(30e12), f(40e12), f(70e12)
	hw.Cache, hw.Units = f(7), f(8)
	a := NewDevice(hw)
	if want := (Device{Arch: "x", Peak: [2]float64{40e12, 70e12}, Bandwidth: 2e12, Cache: 7, Units: 8, Link: 3e9}); a != want {
		t.Errorf("%+v, want %+v", a, want)
	}
	b := a
	b.Bandwidth, b.Peak[0], b.Units, b.Arch = 1e12, 80e12, 4, "y"
	if got, want := distance(&a, &b), 3*math.Log(2)+1; math.Abs(got-want) > 1e-12 {
		t.Errorf("a distance of %g, want %g", got, want)
	}
	if got := blend(3, 0); math.Abs(got-3) > 1e-12 {
		t.Errorf("3 and nothing blend to %g", got)
	}
	if got, want := blend(2, 2), 2*math.Pow(2, 0.25); math.Abs(got-want) > 1e-12 {
		t.Errorf("2 and 2 blend to %g, want %g", got, want)
	}
	for d, want := range map[precision.DType]int{precision.FP8: 1, precision.INT8: 1, precision.BF16: 0, precision.FP16: 0, precision.INT4: 0, precision.FP32: 0} {
		if formatOf(d) != want {
			t.Errorf("%s has curve %d", d, formatOf(d))
		}
	}
}

// Tables interpolate between nodes as the sum over their corners does, and stay on the last node
// beyond their ends.
func TestTablesAreTheirCorners(t *testing.T) {
	table := Table{Slices: 2, Axes: [axes]axis{{Lo: 0, PerOctave: 1, N: 3}, {Lo: 1, PerOctave: 2, N: 4}, {N: 1}, {Lo: -1, PerOctave: 1, N: 2}}}
	n := table.Shape()
	if n != 2*3*4*1*2 || table.Slice != 24 || table.Stride != [axes]int{8, 2, 2, 1} {
		t.Fatalf("%d values, %d of a slice, strides %v", n, table.Slice, table.Stride)
	}
	if table.At(1, &[axes]float64{1, 1, 1, 1}) != 0 {
		t.Error("an empty table corrects")
	}
	table.Values = make([]float32, n)
	for i := range table.Values {
		table.Values[i] = float32(math.Sin(float64(3 * i)))
	}
	for _, x := range [][axes]float64{{1, 2, 1, 0.5}, {1.5, 3, 5, 0.75}, {0.1, 1, 1, 9}, {99, 99, 9, 0.6}, {3, 2.4, 1, 0.1}, {2.2, 4.7, 1, 0.8}} {
		for s := range 2 {
			sum, weight := 0.0, 0.0
			for _, c := range table.Corners(nil, s, &x) {
				sum += float64(c.Weight) * float64(table.Values[c.Node])
				weight += float64(c.Weight)
			}
			if got := table.At(s, &x); math.Abs(got-sum) > 1e-6 || math.Abs(weight-1) > 1e-6 {
				t.Errorf("slice %d at %v: %g, its corners come to %g with weights of %g", s, x, got, sum, weight)
			}
		}
	}
	// Nodes by hand: the second of three octaves is node 1, 3 is half way to the next.
	a := axis{Lo: 0, PerOctave: 1, N: 3}
	for x, want := range map[float64][2]float64{0.5: {0, 0}, 1: {0, 0}, 1.5: {0, 0.5}, 2: {1, 0}, 3: {1, 0.5}, 4: {2, 0}, 100: {2, 0}} {
		if i, f := a.locate(x); i != int(want[0]) || f != want[1] {
			t.Errorf("%g is %g behind node %d, want %v", x, f, i, want)
		}
	}
	for x, want := range map[float64]float64{1: 0, 2: 1, 3: 1.5, 0.5: -1, 0.75: -0.5, 1024: 10} {
		if got := log2(x); got != want {
			t.Errorf("log₂ %g is about %g, want %g", x, got, want)
		}
	}
	if i, f := (&axis{N: 1}).locate(7); i != 0 || f != 0 {
		t.Errorf("an axis of one node: %d, %g", i, f)
	}
	var dims []float64
	for _, d := range []float64{64, 128, 32, 64, 96, 128} {
		noteDim(&dims, d)
	}
	if fmt.Sprint(dims) != "[32 64 96 128]" {
		t.Errorf("dimensions %v", dims)
	}
}
