package kerneltime

import (
	"fmt"

	"github.com/OWNER/ridgeline/internal/records"
)

// StreamKernel is one GPU kernel that only streams: it reads activations, computes next to
// nothing, and writes others.
type StreamKernel uint8

// The kernels of this class.
const (
	StreamAdd        StreamKernel = iota // sum of two tensors
	StreamNorm                           // RMSNorm
	StreamNormAdd                        // RMSNorm of a sum that it also adds to the residual stream
	StreamGatedSiLU                      // SiLU of one half multiplied by the other half, in a feed-forward network
	StreamGate                           // a gate: SiLU of one tensor multiplied by another
	StreamReLU2                          // squared ReLU, or another function of each element
	StreamRotary                         // rotary embedding of queries and keys
	StreamLookup                         // rows of an embedding
	StreamCacheWrite                     // rows into a cache
	StreamGateApart                      // a gate computed by two kernels of PyTorch
	StreamNormTorch                      // RMSNorm as PyTorch computes it
	StreamArgmax                         // greedy choice of a token
	StreamSample                         // softmax and a random choice of a token
	streamKernels
)

var streamNames = [streamKernels]string{
	"add", "rmsnorm", "rmsnorm_residual", "silu_mul", "gmu_gate_fused", "relu2", "rotary", "embedding", "cache_write",
	"gmu_gate_unfused", "rmsnorm_torch", "argmax", "softmax_sample",
}

func (k StreamKernel) String() string { return streamNames[k] }

// Stream is one call of such a kernel, on rows of Width elements (of the output). Bytes is what
// it must move, each tensor once.
type Stream struct {
	Kernel StreamKernel
	Width  float64
	Bytes  float64
}

// streamCurve is the physics of one kernel: its bytes, behind a launch that grows with what one
// row keeps a block of threads busy:
//
//	t = Launch + width · Column + bytes / (Bandwidth · BW)
//
// It has no corrections: so many of these stand in a step that their sum must stay a line in
// the rows, and they are that.
type streamCurve struct {
	Launch    float64 `yaml:"launch_seconds"`
	Column    float64 `yaml:"column_seconds"`
	Bandwidth float64 `yaml:"bandwidth_fraction"`
}

func newStreamCurve() streamCurve {
	return streamCurve{Launch: 1.3e-6, Column: 1e-11, Bandwidth: 0.85}
}

func (c *streamCurve) params() []Param {
	return []Param{{&c.Launch, 0}, {&c.Column, 0}, {&c.Bandwidth, 1}}
}

// streamModel has a curve for each kernel.
type streamModel struct {
	Curves [streamKernels]streamCurve `yaml:"curves"`
	Spread Spread                     `yaml:"spread"`
}

func newStreamModel() (m streamModel) {
	for i := range m.Curves {
		m.Curves[i] = newStreamCurve()
	}
	return m
}

func (m *streamModel) physics(d *Device, s *Stream) float64 {
	c := &m.Curves[s.Kernel]
	return c.Launch + s.Width*c.Column + s.Bytes/(c.Bandwidth*d.Bandwidth)
}

func (m *streamModel) curve(s *Stream) int                          { return int(s.Kernel) }
func (m *streamModel) curves() int                                  { return len(m.Curves) }
func (m *streamModel) params(i int) []Param                         { return m.Curves[i].params() }
func (m *streamModel) inherit(i, from int)                          { m.Curves[i] = m.Curves[from] }
func (m *streamModel) corrections() []Table                         { return nil }
func (m *streamModel) locate(int, *Stream) (n int, x [axes]float64) { return n, x }
func (m *streamModel) correct(*Stream) float64                      { return 0 }
func (m *streamModel) errors() *Spread                              { return &m.Spread }
func (m *streamModel) donor(f int) int                              { return f }
func (m *streamModel) family(i int) int                             { return i }
func (m *streamModel) stiffness() Smoothing                         { return Smoothing{Tail: .05} }

func (m *streamModel) lattice(pair func(small, large Stream)) {
	for k := range streamKernels {
		doublings(8, 14, func(width float64) {
			doublings(0, 16, func(rows float64) {
				each(pair, Stream{Kernel: k, Width: width, Bytes: 4 * width * rows}, func(l *Stream) { l.Bytes *= 2 }, func(l *Stream) { l.Width, l.Bytes = 2*l.Width, 2*l.Bytes })
			})
		})
	}
}

// Stream predicts the time of a kernel that only streams. launch is the shortest time, in
// seconds, in which the engine launches a kernel.
func (p *Profile) Stream(s Stream, launch float64) Estimate {
	fixed, moved := p.StreamParts(&s, launch)
	t := fixed + moved
	return reach(p.stream.get().Spread.estimate(t), &streamSpans, p.timed[ClassStream], s)
}

// StreamParts returns the same time without bounds, as seconds that do not depend on the bytes
// and seconds in proportion to them.
func (p *Profile) StreamParts(s *Stream, launch float64) (fixed, moved float64) {
	c := &p.stream.get().Curves[s.Kernel]
	return max(launch, c.Launch+s.Width*c.Column), s.Bytes / (c.Bandwidth * p.device.Bandwidth)
}

// StreamSeconds returns the same time without bounds.
func (p *Profile) StreamSeconds(s *Stream, launch float64) float64 {
	fixed, moved := p.StreamParts(s, launch)
	return fixed + moved
}

// streamSpans are what such timings were spread over.
var streamSpans = spans{names: []string{"width", "bytes"}, kinds: streamNames[:], beyond: 0.1}

func (s Stream) numbers() [mostSpans]float64 { return [mostSpans]float64{s.Width, s.Bytes} }
func (s Stream) kind() int                   { return int(s.Kernel) }

var streamFacts = &facts[Stream]{
	class: ClassStream, over: &streamSpans,
	read: func(r *records.Record) Stream {
		s := Stream{Width: r.Size("width", 1), Bytes: r.Size("bytes", 1)}
		s.Kernel = StreamKernel(readOne(r, "kernel", r.Text("kernel"), streamNames[:]...))
		return s
	},
	describe: func(s *Stream) string { return fmt.Sprintf("%s width %g bytes %g", s.Kernel, s.Width, s.Bytes) },
	groups:   map[string]func(*Stream) float64{ByHeads: func(s *Stream) float64 { return s.Width }},
	roofline: func(d *Device, s *Stream) float64 { return s.Bytes / d.Bandwidth },
	predict:  func(p *Profile, s Stream) Estimate { return p.Stream(s, 0) },
	model:    func(p *Profile) model[Stream] { return p.stream.get() },
}
