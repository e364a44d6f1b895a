package kerneltime

import (
	"bytes"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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

func TestEmbeddedProfiles(t *testing.T) {
	ps := Embedded()
	var names []string
	for _, p := range ps {
		names = append(names, p.Hardware())
		hw := lookup(t, p.Hardware())
		if d := NewDevice(hw); d != p.device {
			t.Errorf("%s was fitted on %+v, its datasheet is now %+v: fit it anew", p.Hardware(), p.device, d)
		}
		if fitted := p.Basis(ClassGEMM).Kind == Fitted && p.Basis(ClassDecode).Kind == Fitted; fitted != (p.Hardware() != "h100-sxm") { // its products and packed attention are transferred
			t.Errorf("%s is embedded but not fitted", p.Hardware())
		}
		for c := range classes {
			from := p.Provenance(c)
			if p.Basis(c).Kind == Fitted && (from.Source == "" || from.Commit == "" || from.Engine == "" || from.License == "" || from.Rows == 0 || from.MAPE == 0) {
				t.Errorf("%s %v: provenance is incomplete: %+v", p.Hardware(), c, from)
			}
		}
	}
	if got, want := strings.Join(names, " "), "a100-80gb b200 h100-sxm h200 l40s"; got != want {
		t.Errorf("embedded profiles: %s, want %s", got, want)
	}
	entries, err := os.ReadDir("profiles")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Size() > 96<<10 {
			t.Errorf("%s has %d bytes, at most 96 KB (%v)", e.Name(), info.Size(), err)
		}
	}
}

// What is embedded is what the documents hold: go generate packs them anew.
func TestPackedIsWhatTheDocumentsHold(t *testing.T) {
	names, err := filepath.Glob("profiles/*.yaml")
	if err != nil || len(names) == 0 {
		t.Fatal("no documents", err)
	}
	var ps []*Profile
	for _, name := range names {
		p, err := ReadProfile(name)
		if err != nil {
			t.Fatal(err)
		}
		ps = append(ps, p)
	}
	want, err := Pack(ps)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range want {
		got, err := files.ReadFile("packed/" + name)
		if err != nil || !bytes.Equal(got, b) {
			t.Errorf("packed/%s is not what the documents hold (%v): run go generate", name, err)
		}
	}
	packed := 0
	err = fs.WalkDir(files, "packed", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			packed++
		}
		return err
	})
	if err != nil || packed != len(want)+1 {
		t.Errorf("%d files are packed, want %d and the engines (%v)", packed, len(want), err)
	}
	b, err := os.ReadFile("engines.yaml")
	if err != nil {
		t.Fatal(err)
	}
	es, err := ParseEngines("engines.yaml", b)
	if err != nil || !slices.Equal(es, Engines()) {
		t.Errorf("packed engines %+v, the document has %+v (%v): run go generate", Engines(), es, err)
	}
	// Read from its document or opened from the binary, a profile predicts the same.
	for i, p := range Embedded() {
		a, b := p.DecodeAttention(DecodeAttention{Batch: 3, Heads: 24, KVHeads: 8, HeadDim: 128, Context: 700, KVDType: precision.BF16}),
			ps[i].DecodeAttention(DecodeAttention{Batch: 3, Heads: 24, KVHeads: 8, HeadDim: 128, Context: 700, KVDType: precision.BF16})
		if a != b {
			t.Errorf("%s: %+v, from its document %+v", p.Hardware(), a, b)
		}
	}
}

// Asking one thing opens one drawer.
func TestDrawersOpenWhenAsked(t *testing.T) {
	hw := *lookup(t, "gb200")
	hw.Name = "nobody has asked of it"
	p, err := For(&hw)
	if err != nil {
		t.Fatal(err)
	}
	p.GEMM(GEMM{M: 1, N: 512, K: 512, DType: precision.BF16})
	if !p.gemm.ready.Load() || p.decode.ready.Load() || p.prefill.ready.Load() || p.recurrent.ready.Load() || p.allReduce.ready.Load() {
		t.Error("a product opened more than the products")
	}
}

// The figures that issue from left-out cells, or sizes and lengths, as the profiles themselves record them.
func TestEmbeddedErrors(t *testing.T) {
	most := map[Class]float64{ClassGEMM: .08, ClassDecode: .08, ClassPrefill: .08, ClassDeltaNet: .12, ClassMamba1: .06, ClassSSD: .07, ClassConv: .04, ClassUnpacked: .08, ClassStream: .06, ClassMLA: .03, ClassCollective: .07}
	for _, p := range Embedded() {
		for c, limit := range most {
			if p.hardware == "l40s" {
				limit = .12
			}
			if from := p.Provenance(c); from.Rows > 0 && from.MAPE > limit {
				t.Errorf("%s %v: left-out error %.3f, want at most %.2f", p.hardware, c, from.MAPE, limit)
			}
		}
	}
}

func TestMoreWorkTakesNoLessTime(t *testing.T) {
	for _, p := range Embedded() {
		for c, most := range map[Class]float64{ClassGEMM: .06, ClassDecode: .06, ClassPrefill: .06, ClassMamba1: .001, ClassSSD: .025, ClassConv: .03, ClassUnpacked: .005, ClassMLA: .01, ClassCollective: .03} {
			if p.Basis(c).Kind != Fitted {
				continue
			}
			pairs, dips, worst := p.Dips(c)
			t.Logf("%s %v: %d of %d pairs dip by more than 2 %%, worst %.3f", p.hardware, c, dips, pairs, worst)
			if float64(dips) > most*float64(pairs) {
				t.Errorf("%s %v: %d of %d pairs dip", p.hardware, c, dips, pairs)
			}
		}
	}
}

// Streams are lines, so that more rows or columns never take less time, and those of a step
// can be summed once: the parts add up, and an engine's launch counts where it is the longer.
func TestStreamsAreLines(t *testing.T) {
	for _, on := range []string{"h100-sxm", "h200", "a100-80gb", "l40s", "b200"} {
		p, err := For(lookup(t, on))
		if err != nil {
			t.Fatal(err)
		}
		if _, dips, worst := p.Dips(ClassStream); dips > 0 {
			t.Errorf("%s: %d streams of more work are faster, down to %.3f", on, dips, worst)
		}
		s := Stream{Kernel: StreamNormAdd, Width: 4096, Bytes: 8 * 4096}
		fixed, moved := p.StreamParts(&s, 0)
		if slow := p.StreamSeconds(&s, 1e-5); slow != 1e-5+moved || fixed >= 1e-5 || fixed < 1e-6 {
			t.Errorf("%s: %g s, want the engine's 1e-05 and %g; without it %g", on, slow, moved, fixed)
		}
		s.Bytes *= 3
		if _, more := p.StreamParts(&s, 0); math.Abs(more-3*moved) > 1e-9*moved {
			t.Errorf("%s: three times the bytes take %g s, once %g", on, more, moved)
		}
	}
	// What was timed on the H100: a norm of 8,192 rows with its residual, a rotary embedding.
	p, err := For(lookup(t, "h100-sxm"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		s    Stream
		want float64
	}{{Stream{StreamNormAdd, 4096, 268435456}, 91.3e-6}, {Stream{StreamRotary, 4096, 1064960}, 2.18e-6}, {Stream{StreamGatedSiLU, 8192, 49152}, 1.31e-6}} {
		if e := p.Stream(tc.s, 0); math.Abs(e.Seconds/tc.want-1) > .2 || tc.want < e.Low || tc.want > e.High {
			t.Errorf("%v: %g to %g s, measured %g", tc.s.Kernel, e.Low, e.High, tc.want)
		}
	}
}

// The Mamba-1 kernel works whole pieces of a prompt; what does not fill them goes slowly.
func TestRaggedScans(t *testing.T) {
	for _, tc := range []struct {
		tokens, filled float64
		ragged         bool
	}{{1, 128, true}, {128, 128, false}, {129, 256, true}, {1024, 1024, false}, {2048, 2048, false}, {3000, 4096, true}, {8192, 8192, false}} {
		s := Scan{Kernel: Mamba1Scan, Tokens: tc.tokens}
		length, n, ragged := s.pieces()
		if filled := n * math.Ldexp(128, length); filled != tc.filled || ragged != tc.ragged || s.ragged() != tc.ragged {
			t.Errorf("%g tokens: %g, %v", tc.tokens, filled, ragged)
		}
	}
}

// What we timed ourselves: a scan of a prompt takes as long on both cards, gated and not, and
// eight times its roofline; attention that cannot split its keys takes ten times as long as
// packed attention at one sequence, twice at many.
func TestHybridKernels(t *testing.T) {
	for _, on := range []string{"h100-sxm", "h200"} {
		p, err := For(lookup(t, on))
		if err != nil {
			t.Fatal(err)
		}
		for _, tc := range []struct {
			kernel ScanKernel
			batch  float64
			tokens float64
			h100   float64
			h200   float64
			want   float64
		}{{Mamba1GatedScan, 1, 8192, 922e-6, 922e-6, 0}, {Mamba1Scan, 1, 8192, 693e-6, 693e-6, 0}, {Mamba1Step, 1, 1, 1.7e-6, 1.7e-6, 0}, {Mamba1Step, 64, 1, 18.5e-6, 14.2e-6, 0}} {
			s := Scan{Kernel: tc.kernel, Batch: tc.batch, Tokens: tc.tokens, Heads: 5120, HeadDim: 1, State: 16, Groups: 1}
			tc.want = tc.h100
			if on == "h200" {
				tc.want = tc.h200
			}
			if got := p.Scan(s); got.Seconds < .9*tc.want || got.Seconds > 1.1*tc.want {
				t.Errorf("%s: %v of %g tokens and %g sequences: %.4g s, measured %.4g", on, tc.kernel, tc.tokens, tc.batch, got.Seconds, tc.want)
			}
		}
		packed := DecodeAttention{Batch: 1, Heads: 24, KVHeads: 8, HeadDim: 128, Context: 32768, KVDType: precision.BF16}
		few := p.UnpackedAttention(UnpackedAttention{DecodeAttention: packed}).Seconds / p.DecodeAttention(packed).Seconds
		packed.Batch = 16
		many := p.UnpackedAttention(UnpackedAttention{DecodeAttention: packed}).Seconds / p.DecodeAttention(packed).Seconds
		if few < 6 || few > 14 || many < 1.7 || many > 3.5 {
			t.Errorf("%s: once per query head costs %.2f× at one sequence, %.2f× at 16", on, few, many)
		}
	}
}

func TestRelatives(t *testing.T) {
	for _, tc := range []struct{ of, want string }{
		{"h100-sxm", "h200"}, {"h100-pcie", "h200"}, {"gb200", "b200"}, {"a100-40gb", "a100-80gb"}, {"rtx-4090", "l40s"}, {"l4", "l40s"},
	} {
		p, err := For(lookup(t, tc.of))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Basis(ClassGEMM); got != (Basis{Transferred, tc.want}) {
			t.Errorf("%s: %v, want transferred from %s", tc.of, got, tc.want)
		}
		own, err := For(lookup(t, tc.want))
		if err != nil {
			t.Fatal(err)
		}
		s := GEMM{M: 16, N: 4096, K: 4096, DType: precision.BF16}
		a, b := p.GEMM(s), own.GEMM(s)
		if wide(a) <= wide(b) {
			t.Errorf("%s: transferred interval %.3f is not wider than the fitted one, %.3f", tc.of, wide(a), wide(b))
		}
	}
	if _, err := For(lookup(t, "tpu-v5e")); err == nil {
		t.Error("a TPU has no measured relative, yet got a profile")
	}
}

func wide(e Estimate) float64 {
	return math.Log(e.High / e.Low)
}

// A GPU of the same architecture with less bandwidth is slower where bandwidth binds and
// as fast where compute does.
func TestTransferScalesByDatasheet(t *testing.T) {
	h100, err := For(lookup(t, "h100-sxm"))
	if err != nil {
		t.Fatal(err)
	}
	h200, err := For(lookup(t, "h200"))
	if err != nil {
		t.Fatal(err)
	}
	thin := GEMM{M: 1, N: 16384, K: 16384, DType: precision.BF16}
	if r := h100.GEMM(thin).Seconds / h200.GEMM(thin).Seconds; math.Abs(r-4.8/3.35) > 0.12 {
		t.Errorf("a product bound by memory takes %.2f times as long on the H100, bandwidths differ by %.2f", r, 4.8/3.35)
	}
	thick := GEMM{M: 8192, N: 8192, K: 8192, DType: precision.BF16}
	if r := h100.GEMM(thick).Seconds / h200.GEMM(thick).Seconds; math.Abs(r-1) > 0.02 {
		t.Errorf("a product bound by compute takes %.3f times as long on the H100", r)
	}
}

func TestSumLiesBetweenIndependentAndCommon(t *testing.T) {
	var s Sum
	one := Estimate{1, 0.9, 1.2}
	for range 16 {
		s.Add(one)
	}
	e := s.Estimate()
	if e.Seconds != 16 {
		t.Fatalf("sum %g", e.Seconds)
	}
	if up := e.High - 16; up <= 0.2*4 || up >= 0.2*16 {
		t.Errorf("16 errors of 0.2 make %g: want between √16 and 16 of them", up)
	}
	if got := one.Times(16); got.High != 16*1.2 {
		t.Errorf("one operation 16 times: %+v", got)
	}
}

func TestAtLeast(t *testing.T) {
	e := Estimate{2, 1, 3}
	if got := e.AtLeast(1.5); got != e {
		t.Errorf("raised to less than itself: %+v", got)
	}
	if got := e.AtLeast(4); got.Seconds != 4 || got.Low != 4 || got.High != 6 {
		t.Errorf("raised to 4: %+v", got)
	}
}

func TestEngines(t *testing.T) {
	if got := EngineNames()[0]; got != "vllm" {
		t.Errorf("the default engine is %s", got)
	}
	for _, n := range []string{"vllm", "vllm-eager", "trtllm", "sglang", "ideal"} {
		e, err := EngineNamed(n)
		if err != nil {
			t.Error(err)
			continue
		}
		if e.Source == "" {
			t.Errorf("%s does not say where it is from", n)
		}
		if e.Rows > 0 && e.MAPE > 0.10 {
			t.Errorf("%s: mean error of TPOT %.3f, want at most 0.10", n, e.MAPE)
		}
	}
	if _, err := EngineNamed("nope"); err == nil || !strings.Contains(err.Error(), "sglang") {
		t.Errorf("unknown engine: %v", err)
	}
	for _, bad := range []string{"", "engines: []", "engines:\n- name: x\n  host_seconds: -1", "engines:\n- host_seconds: 1", "engines:\n- name: x\n  nonsense: 1"} {
		if _, err := ParseEngines("e.yaml", []byte(bad)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func BenchmarkGEMM(b *testing.B) {
	p, err := For(lookup(b, "h200"))
	if err != nil {
		b.Fatal(err)
	}
	s := GEMM{M: 24, N: 5120, K: 2560, DType: precision.BF16}
	b.ReportAllocs()
	for b.Loop() {
		p.GEMM(s)
	}
}

func BenchmarkDecodeAttention(b *testing.B) {
	p, err := For(lookup(b, "h200"))
	if err != nil {
		b.Fatal(err)
	}
	s := DecodeAttention{Batch: 24, Heads: 40, KVHeads: 20, HeadDim: 64, Context: 33000, KVDType: precision.BF16}
	b.ReportAllocs()
	for b.Loop() {
		p.DecodeAttention(s)
	}
}

// Decode attention of one block of 1,024 keys on a device of one unit, by hand.
func TestDecodePhysics(t *testing.T) {
	c := decodeCurve{Launch: 1e-6, Start: 2e-6, Stream: 1e9, Bandwidth: 1, CacheRate: 1e30, Resident: 1e-9, Occupancy: 1, Chunk: 1e9, Combine: 5e-6, Query: 1e-7, Peak: 1, Repack: 7e-6, Wide: 1e9, Sequence: 3e-7}
	d := Device{Peak: [2]float64{1e30, 1e30}, Bandwidth: 1e30, Cache: 1, Units: 1}
	one := DecodeAttention{Batch: 1, Heads: 4, KVHeads: 1, HeadDim: 64, Context: 1024, KVDType: precision.BF16}
	path := 2e-6 + 1024*2*2*64/1e9
	want := 1e-6 + path + 3e-7 + 4*1e-7
	if got := c.seconds(&d, &one); math.Abs(got/want-1) > 1e-9 {
		t.Errorf("one block: %g, want %g", got, want)
	}
	// Two sequences of two grouped heads: four blocks on one unit, and a repacking.
	four := DecodeAttention{Batch: 2, Heads: 4, KVHeads: 2, HeadDim: 64, Context: 1024, KVDType: precision.BF16}
	want = 1e-6 + 7e-6 + 4*path + 2*(3e-7+4*1e-7)
	if got := c.seconds(&d, &four); math.Abs(got/want-1) > 1e-9 {
		t.Errorf("four blocks: %g, want %g", got, want)
	}
	// A window hides all but 256 keys.
	one.Window = 256
	want = 1e-6 + 2e-6 + 256*2*2*64/1e9 + 3e-7 + 4*1e-7
	if got := c.seconds(&d, &one); math.Abs(got/want-1) > 1e-9 {
		t.Errorf("a window: %g, want %g", got, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range Embedded()[:1] {
		var b bytes.Buffer
		if err := p.WriteYAML(&b); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte("hardware: x\ndevice: {}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse("x.yaml", data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("error of more than one line: %q", err)
			}
			return
		}
		for _, c := range []Class{ClassGEMM, ClassDecode} {
			p.Dips(c)
		}
	})
}
