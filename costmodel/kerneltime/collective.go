package kerneltime

import (
	"fmt"
	"math"

	"github.com/OWNER/ridgeline/internal/records"
)

// CollectiveKernel is one exchange between GPUs of a machine.
type CollectiveKernel uint8

// The exchanges, as NCCL runs them; those called one and two shot are kernels of PyTorch's symmetric
// memory. Timings of all-reduces over more GPUs have a class of their own (ClassAllReduce).
const (
	CollectiveAllGather CollectiveKernel = iota
	CollectiveReduceScatter
	CollectiveAllToAll
	CollectiveSend     // from one to one
	CollectiveExchange // two that send to each other
	CollectiveAllReduce
	CollectiveOneShot
	CollectiveTwoShot
	collectiveKernels
)

// collectiveKernel is what an algorithm sends and how often it waits for a neighbour.
type collectiveKernel struct {
	name  string
	whole float64 // times the message that a device sends: (g−1)/g of it …
	all   float64 // … and g−1 times it …
	one   float64 // … and once, whatever g is
	hops  float64 // neighbours that it waits for one after the other: so many times g−1, or one where that is 0
}

var collectiveTable = [collectiveKernels]collectiveKernel{
	CollectiveAllGather:     {name: "all_gather", whole: 1, hops: 1},
	CollectiveReduceScatter: {name: "reduce_scatter", whole: 1, hops: 1},
	CollectiveAllToAll:      {name: "all_to_all", whole: 1},
	CollectiveSend:          {name: "p2p", one: 1},
	CollectiveExchange:      {name: "p2p_both", one: 1},
	CollectiveAllReduce:     {name: "all_reduce", whole: 2, hops: 2},
	CollectiveOneShot:       {name: "all_reduce_one_shot", all: 1},
	CollectiveTwoShot:       {name: "all_reduce_two_shot", whole: 2},
}

func (k CollectiveKernel) String() string { return collectiveTable[k].name }

// sent returns the share of the message that each of g devices sends:
//
//	all-gather (of its result), reduce-scatter, all-to-all    (g−1)/g
//	send, exchange                                            1
//	all-reduce as a ring or in two shots, in one shot         2·(g−1)/g, g−1
func (k CollectiveKernel) sent(g float64) float64 {
	f := &collectiveTable[k]
	return f.whole*(g-1)/g + f.all*(g-1) + f.one
}

func (k CollectiveKernel) hops(g float64) float64 {
	if n := collectiveTable[k].hops; n > 0 {
		return n * (g - 1)
	}
	return 1
}

// Collective is one exchange of a message between GPUs. The message of an all-gather is its result,
// of a reduce-scatter and an all-to-all what goes in.
type Collective struct {
	Kernel CollectiveKernel
	GPUs   float64
	Bytes  float64
	Eager  bool // launched by itself rather than in a CUDA graph
}

// Message returns the bytes of a message of which each device sends so many.
func (k CollectiveKernel) Message(sent, gpus float64) float64 { return sent / k.sent(gpus) }

// neighbour is how long a ring waits for each neighbour more than two GPUs have, in seconds: NCCL's
// own figure for short messages over NVLink (src/graph/tuning.cc, hwLat: ring, LL). Two GPUs
// cannot show it.
const neighbour = 0.47e-6

// collectiveCurve is the physics of one exchange between g GPUs:
//
//	t = Launch + wire,    wire = (hops(g) − hops(2)) · neighbour + sent(g) · bytes / (Bandwidth · LINK)
//
// A host that launches them one by one runs ahead of what is on its way: t = (Launch⁴ + wire⁴)^(1/4).
type collectiveCurve struct {
	Launch    float64 `yaml:"launch_seconds"`
	Bandwidth float64 `yaml:"bandwidth_fraction"`
}

func (c *collectiveCurve) params() []Param { return []Param{{&c.Launch, 0}, {&c.Bandwidth, 1}} }

// collectiveModel holds a curve for each exchange inside a CUDA graph, one for each launched by itself,
// and what they leave unexplained. Two GPUs were timed. Of more the algorithm says what each sends
// and for how many neighbours it waits; what the curve leaves unexplained is then that of two that
// send as much.
type collectiveModel struct {
	Curves      [2 * collectiveKernels]collectiveCurve `yaml:"curves"`
	Corrections [1]Table                               `yaml:"corrections"`
	Spread      Spread                                 `yaml:"spread"`
}

func newCollectiveModel() collectiveModel {
	m := collectiveModel{Corrections: [1]Table{{Slices: 2 * int(collectiveKernels), Axes: [axes]axis{{N: 1}, {N: 1}, {N: 1}, {8, 1, 23}}}}}
	for i := range m.Curves {
		m.Curves[i] = collectiveCurve{Launch: 8e-6, Bandwidth: 0.6}
		if i >= int(collectiveKernels) {
			m.Curves[i].Launch = 4e-5
		}
	}
	return m
}

func (m *collectiveModel) curve(s *Collective) int {
	if s.Eager {
		return int(s.Kernel + collectiveKernels)
	}
	return int(s.Kernel)
}

func (m *collectiveModel) curves() int          { return len(m.Curves) }
func (m *collectiveModel) params(i int) []Param { return m.Curves[i].params() }
func (m *collectiveModel) inherit(i, from int)  { m.Curves[i] = m.Curves[from] }
func (m *collectiveModel) corrections() []Table { return m.Corrections[:] }
func (m *collectiveModel) errors() *Spread      { return &m.Spread }
func (m *collectiveModel) donor(f int) int      { return f }
func (m *collectiveModel) family(i int) int     { return i }
func (m *collectiveModel) stiffness() Smoothing {
	return Smoothing{Axis: [axes]float64{0, 0, 0, .02}, Ridge: 1e-4, Tail: .03}
}

func (m *collectiveModel) physics(d *Device, s *Collective) float64 {
	link := d.Link
	if link == 0 {
		link = hostLink
	}
	c := &m.Curves[m.curve(s)]
	wire := (s.Kernel.hops(s.GPUs)-s.Kernel.hops(2))*neighbour + s.Kernel.sent(s.GPUs)*s.Bytes/(c.Bandwidth*link)
	if s.Eager {
		return blend(c.Launch, wire)
	}
	return c.Launch + wire
}

// locate has one correction for all messages launched by themselves: what a host takes to launch
// one varies by a fifth from call to call, whatever the message.
func (m *collectiveModel) locate(_ int, s *Collective) (int, [axes]float64) {
	message := s.Kernel.Message(s.Kernel.sent(s.GPUs)*s.Bytes, 2)
	if s.Eager {
		message = 1
	}
	return m.curve(s), [axes]float64{1, 1, 1, message}
}

// correct returns the sum of the corrections of a shape's log time.
func (m *collectiveModel) correct(s *Collective) (sum float64) {
	for i := range m.Corrections {
		slice, x := m.locate(i, s)
		sum += m.Corrections[i].At(slice, &x)
	}
	return sum
}

func (m *collectiveModel) lattice(pair func(small, large Collective)) {
	for k := range collectiveKernels {
		for _, eager := range []bool{false, true} {
			for _, gpus := range []float64{2, 4, 8} {
				doublings(8, 29, func(bytes float64) {
					each(pair, Collective{Kernel: k, GPUs: gpus, Bytes: bytes, Eager: eager}, func(l *Collective) { l.Bytes *= 2 })
				})
			}
		}
	}
}

// CollectiveTimed is how many GPUs exchanged what was timed.
const CollectiveTimed = 2

// Collective predicts an exchange; between more GPUs than were timed with the wider interval of what
// was not.
func (p *Profile) Collective(s Collective) Estimate {
	if s.GPUs < 2 || s.Bytes <= 0 {
		return Estimate{}
	}
	m := p.collective.get()
	return reach(m.Spread.estimate(m.physics(&p.device, &s)*math.Exp(m.correct(&s))).among(nil, 0, s.GPUs <= CollectiveTimed), &collectiveSpans, p.timed[ClassCollective], s)
}

// collectiveSpans are what such timings were spread over. GPUs beyond two widen intervals by themselves.
var collectiveSpans = spans{names: []string{"bytes"}, beyond: 0.1}

func (s Collective) numbers() [mostSpans]float64 { return [mostSpans]float64{s.Bytes} }
func (s Collective) kind() int                   { return 0 }

var collectiveFacts = &facts[Collective]{
	class: ClassCollective, over: &collectiveSpans,
	read: func(r *records.Record) Collective {
		var names []string
		for _, k := range collectiveTable {
			names = append(names, k.name)
		}
		s := Collective{GPUs: r.Size("gpus", 2), Bytes: r.Size("message_bytes", 1)}
		s.Kernel = CollectiveKernel(readOne(r, "op", r.Text("op"), names...))
		s.Eager = readOne(r, "mode", r.Text("mode"), "graph", "eager") == 1
		return s
	},
	describe: func(s *Collective) string {
		how := ""
		if s.Eager {
			how = " eager"
		}
		return fmt.Sprintf("%s%s gpus %g bytes %g", s.Kernel, how, s.GPUs, s.Bytes)
	},
	roofline: func(d *Device, s *Collective) float64 {
		link := d.Link
		if link == 0 {
			link = hostLink
		}
		return s.Kernel.sent(s.GPUs) * s.Bytes / link
	},
	predict: func(p *Profile, s Collective) Estimate { return p.Collective(s) },
	model:   func(p *Profile) model[Collective] { return p.collective.get() },
}
