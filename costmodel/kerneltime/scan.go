package kerneltime

import (
	"fmt"
	"math"
	"strings"

	"github.com/OWNER/ridgeline/internal/records"
	"github.com/OWNER/ridgeline/precision"
)

// ScanKernel is one GPU kernel of Mamba-1 or Mamba-2, or of the convolutions before them.
type ScanKernel uint8

// The kernels; those of one class follow one another.
const (
	Mamba1Scan      ScanKernel = iota // selective_scan_fwd over a prompt
	Mamba1GatedScan                   // the same with a gate on its output
	Mamba1Step                        // selective_state_update, one token
	Mamba1GatedStep
	SSDScan        // mamba_chunk_scan_combined over a prompt
	SSDHeadStep    // selective_state_update with heads, one token
	ConvFirstScan  // causal_conv1d_fn over a prompt, with channels first, for Mamba-1
	ConvLastScan   // the same with channels last, for Mamba-2
	ConvCachedStep // causal_conv1d_update, one token
	RuleScan       // chunk_gated_delta_rule over a prompt
	RuleStep       // fused_recurrent_gated_delta_rule, one token
	scanKernels
)

// scanClasses says with which kernel each class begins and how many it has.
var scanClasses = map[Class]struct{ first, n ScanKernel }{
	ClassMamba1: {Mamba1Scan, 4}, ClassSSD: {SSDScan, 2}, ClassConv: {ConvFirstScan, 3}, ClassRule: {RuleScan, 2},
}

var scanNames = [scanKernels]string{
	"mamba1-scan", "mamba1-gated-scan", "mamba1-step", "mamba1-gated-step", "ssd-scan", "ssd-step",
	"conv-channels-first", "conv-channels-last", "conv-step", "delta-rule-chunks", "delta-rule-step",
}

func (k ScanKernel) String() string { return scanNames[k] }

// Class returns the class whose files have timings of the kernel.
func (k ScanKernel) Class() Class {
	switch {
	case k < SSDScan:
		return ClassMamba1
	case k < ConvFirstScan:
		return ClassSSD
	case k < RuleScan:
		return ClassConv
	}
	return ClassRule
}

// place returns the kernel's number within its class.
func (k ScanKernel) place() int { return int(k - scanClasses[k.Class()].first) }

// Step reports whether the kernel advances each sequence by one token; otherwise it works a
// prompt.
func (k ScanKernel) Step() bool {
	return k == Mamba1Step || k == Mamba1GatedStep || k == SSDHeadStep || k == ConvCachedStep || k == RuleStep
}

// Scan is one call of such a kernel. For Mamba-1, Heads is the number of channels, d_inner, with
// a HeadDim of 1, and Groups is 1. For a convolution, Heads is the number of channels and State
// the number of taps. The gated delta rule has Heads heads of values of HeadDim and Groups heads of
// keys of State.
type Scan struct {
	Kernel         ScanKernel
	Batch, Tokens  float64 // tokens of each sequence; 1 for steps
	Heads, HeadDim float64
	State, Groups  float64
	Chunk          float64         // how many tokens an SSD scan works at once
	StateDType     precision.DType // format of the state; fp32 where it is not set
}

// Channels returns heads · head_dim.
func (s *Scan) Channels() float64 { return s.Heads * s.HeadDim }

func (s *Scan) stateBytes() float64 {
	if s.StateDType == precision.Unset {
		return 4
	}
	return s.StateDType.Bytes()
}

// Bytes returns the bytes that the kernel must move: 16-bit activations in and out, the state
// once out, and for a step once in. The chunked scan also writes and reads the states between
// chunks.
func (s *Scan) Bytes() float64 {
	c, tokens := s.Channels(), s.Batch*s.Tokens
	state := s.Batch * c * s.State * s.stateBytes()
	switch s.Kernel {
	case ConvFirstScan, ConvLastScan:
		return 4 * tokens * c
	case ConvCachedStep:
		return tokens*4*c + 4*s.Batch*c*s.State
	case RuleScan:
		return 2*tokens*(2*c+2*s.Groups*s.State+2*s.Heads) + state
	case RuleStep:
		return 2*tokens*(2*c+2*s.Groups*s.State+2*s.Heads) + 2*state
	case SSDScan:
		return 2*tokens*(2*c+2*s.Groups*s.State+s.Heads) + state*(1+2*math.Ceil(s.Tokens/max(1, s.Chunk)))
	case SSDHeadStep:
		return 2*tokens*(2*c+2*s.Groups*s.State+s.Heads) + 2*state
	case Mamba1Scan:
		return 2*tokens*(3*c+2*s.State) + state
	case Mamba1GatedScan:
		return 2*tokens*(5*c+2*s.State) + state
	case Mamba1GatedStep:
		return 2*tokens*(4*c+2*s.State) + 2*state
	}
	return 2*tokens*(3*c+2*s.State) + 2*state
}

// FLOPs returns the arithmetic: for the chunked scan that of its products, for the delta rule 8 for
// each element of the state and token, otherwise 7 (for convolutions, 2 for each tap).
func (s *Scan) FLOPs() float64 {
	c, tokens := s.Channels(), s.Batch*s.Tokens
	switch s.Kernel.Class() {
	case ClassConv:
		return 2 * tokens * c * s.State
	case ClassRule:
		return 8 * tokens * c * s.State
	case ClassSSD:
		if s.Kernel == SSDScan {
			return 2 * tokens * (s.Chunk*(s.Groups*s.State+c) + 2*c*s.State)
		}
		return 5 * tokens * c * s.State
	}
	return 7 * tokens * c * s.State
}

// blocks returns how many blocks of threads share the work.
func (s *Scan) blocks() float64 {
	switch s.Kernel {
	case Mamba1Scan, Mamba1GatedScan: // one channel of one sequence each
		return s.Batch * s.Channels()
	case SSDScan: // one chunk of one head each
		return s.Batch * s.Heads * math.Ceil(s.Tokens/max(1, s.Chunk))
	case ConvLastScan: // 64 channels of 64 tokens each
		return s.Batch * s.Channels() / 64 * math.Ceil(s.Tokens/64)
	case ConvFirstScan:
		return s.Batch * s.Channels()
	}
	return s.Batch * s.Channels() / 64
}

// walk returns how many tokens a block works one after the other.
func (s *Scan) walk() float64 {
	switch s.Kernel {
	case SSDScan:
		return min(s.Tokens, s.Chunk)
	case ConvLastScan:
		return min(s.Tokens, 64)
	case ConvFirstScan: // 1,024 tokens at a time
		return math.Ceil(s.Tokens/1024) * 1024
	}
	return s.Tokens
}

// pieces says into how many pieces a Mamba-1 scan cuts its tokens. A piece has 128 · 2^length
// tokens, at most 2,048. ragged says that the tokens do not fill the pieces; the kernel then
// loads and stores them one by one.
func (s *Scan) pieces() (length int, n float64, ragged bool) {
	piece := 128.0
	for length < 4 && piece < s.Tokens {
		piece *= 2
		length++
	}
	n = math.Ceil(s.Tokens / piece)
	return length, n, n*piece != s.Tokens
}

// ragged reports whether a scan, or a convolution with channels first, has a length for which its
// kernel loads and stores elements one by one.
func (s *Scan) ragged() bool {
	switch s.Kernel {
	case Mamba1Scan, Mamba1GatedScan:
		_, _, ragged := s.pieces()
		return ragged
	case ConvFirstScan:
		return math.Mod(s.Tokens, 8) != 0
	}
	return false
}

// scans returns the drawer of a class of such kernels.
func (p *Profile) scans(c Class) **drawer[scanModel] {
	switch c {
	case ClassMamba1:
		return &p.mamba1
	case ClassSSD:
		return &p.ssd
	case ClassRule:
		return &p.rule
	}
	return &p.conv
}

// Scan predicts one call of a scan, a step of its state or a convolution.
func (p *Profile) Scan(s Scan) Estimate {
	m := (*p.scans(s.Kernel.Class())).get()
	return reach(m.Spread.estimate(p.ScanSeconds(&s)), &scanSpans, p.timed[s.Kernel.Class()], s)
}

// ScanSeconds returns the same time without bounds.
func (p *Profile) ScanSeconds(s *Scan) float64 {
	c := s.Kernel.Class()
	return scanOf{(*p.scans(c)).get(), c}.seconds(&p.device, s)
}

// scanSpans are what such timings were spread over.
var scanSpans = spans{names: []string{"batch", "channels", "tokens"}, kinds: scanNames[:], beyond: 0.1}

func (s Scan) numbers() [mostSpans]float64 {
	return [mostSpans]float64{s.Batch, s.Channels(), s.Tokens}
}
func (s Scan) kind() int { return int(s.Kernel) }

func scanFacts(c Class, read func(r *records.Record) Scan) *facts[Scan] {
	return &facts[Scan]{
		class: c, over: &scanSpans,
		read: read,
		describe: func(s *Scan) string {
			return fmt.Sprintf("%s batch %g tokens %g heads %g×%g state %g", s.Kernel, s.Batch, s.Tokens, s.Heads, s.HeadDim, s.State)
		},
		groups: map[string]func(*Scan) float64{
			ByHeads: func(s *Scan) float64 { return s.Channels() },
			ByContexts: func(s *Scan) float64 { // steps have no prompt length and are grouped by batch
				if s.Kernel.Step() {
					return -s.Batch
				}
				return s.Tokens
			},
		},
		foldBy:   []string{ByHeads, ByContexts},
		roofline: func(d *Device, s *Scan) float64 { return max(s.FLOPs()/d.Peak[0], s.Bytes()/d.Bandwidth) },
		predict:  func(p *Profile, s Scan) Estimate { return p.Scan(s) },
		model:    func(p *Profile) model[Scan] { return scanOf{(*p.scans(c)).get(), c} },
	}
}

// readOne reads a column whose text must be one of a few words, and returns its place among them.
func readOne(r *records.Record, column, t string, words ...string) int {
	if r.Err() != nil {
		return 0
	}
	for i, w := range words {
		if t == w {
			return i
		}
	}
	r.Fail(column, "%q is none of %v", t, words)
	return 0
}

// readState reads the format of a state.
func readState(r *records.Record) precision.DType {
	formats := [...]precision.DType{precision.FP32, precision.BF16, precision.FP16}
	return formats[readOne(r, "state_dtype", r.Text("state_dtype"), "float32", "bfloat16", "float16")]
}

var (
	mamba1Facts = scanFacts(ClassMamba1, func(r *records.Record) Scan {
		s := Scan{
			Batch: r.Size("batch", 1), Tokens: r.Size("seq_len", 1), Heads: r.Size("d_inner", 1), HeadDim: 1,
			State: r.Size("d_state", 1), Groups: 1, StateDType: readState(r),
		}
		s.Kernel = [...]ScanKernel{Mamba1Scan, Mamba1Step}[readOne(r, "kernel", r.Text("kernel"), "scan", "step")]
		if readOne(r, "gated", r.Text("gated"), "0", "1") == 1 {
			s.Kernel++
		}
		return s
	})
	ssdFacts = scanFacts(ClassSSD, func(r *records.Record) Scan {
		s := Scan{
			Batch: r.Size("batch", 1), Tokens: r.Size("seq_len", 1), Heads: r.Size("heads", 1), HeadDim: r.Size("head_dim", 1),
			State: r.Size("d_state", 1), Groups: r.Size("groups", 1), Chunk: r.Size("chunk", 0), StateDType: readState(r),
		}
		s.Kernel = [...]ScanKernel{SSDScan, SSDHeadStep}[readOne(r, "kernel", r.Text("kernel"), "scan", "step")]
		if r.Err() == nil && s.Kernel == SSDScan && s.Chunk < 1 {
			r.Fail("chunk", "a scan works its prompt in chunks of 1 token at least")
		}
		return s
	})
	convFacts = scanFacts(ClassConv, func(r *records.Record) Scan {
		s := Scan{
			Batch: r.Size("batch", 1), Tokens: r.Size("seq_len", 1), Heads: r.Size("channels", 1), HeadDim: 1,
			State: r.Size("d_conv", 1), Groups: 1,
		}
		if readOne(r, "kernel", r.Text("kernel"), "causal_conv1d_fn", "causal_conv1d_update") == 1 {
			s.Kernel = ConvCachedStep
			return s
		}
		s.Kernel = [...]ScanKernel{ConvFirstScan, ConvLastScan}[readOne(r, "layout", r.Optional("layout", "channels_last"), "channels_first", "channels_last")]
		return s
	})
	ruleFacts = scanFacts(ClassRule, func(r *records.Record) Scan {
		s := Scan{
			Batch: r.Size("batch", 1), Tokens: r.Size("seq_len", 1), Heads: r.Size("v_heads", 1), HeadDim: r.Size("v_head_dim", 1),
			Groups: r.Size("k_heads", 1), State: r.Size("k_head_dim", 1),
		}
		s.Kernel = [...]ScanKernel{RuleScan, RuleStep}[readOne(r, "kernel", strings.TrimSuffix(r.Text("kernel"), RuleSuffix), "chunk_gated_delta_rule", "fused_recurrent_gated_delta_rule")]
		return s
	})
)

// RuleSuffix ends the names of kernels, in tables of Gated DeltaNet, that are
// flash-linear-attention's and so of ClassRule.
const RuleSuffix = "_fla"
