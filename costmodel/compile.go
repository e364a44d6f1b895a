package costmodel

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/hardware"
)

// Fidelity is how a cost becomes a time.
type Fidelity uint8

// The fidelities, coarsest first. Limit ≤ Roofline ≤ Calibrated for every call.
const (
	Limit Fidelity = iota
	Roofline
	Calibrated

	// Usual is no fidelity of its own but each device's: see UsualOn. Results never say it,
	// they name the one that it came to.
	Usual
)

var fidelityNames = []string{"limit", "roofline", "calibrated"}

func (f Fidelity) String() string {
	if f == Usual {
		return "usual"
	}
	return fidelityNames[f]
}

// ParseFidelity reads limit, roofline or calibrated.
func ParseFidelity(s string) (Fidelity, error) {
	v, err := parseName("fidelity", s, fidelityNames)
	return Fidelity(v), err
}

// OpGroup is an operation and how many layers of the model have the same one.
type OpGroup struct {
	Op
	Count int
}

// Compiled is a model on a device, deployed in one way, with its operations reduced to
// coefficients: evaluating a point neither allocates nor looks at the model again. It is
// immutable and safe for concurrent use.
type Compiled struct {
	Model    *arch.Model
	Hardware *hardware.Profile
	Options  Options

	f               inForce
	tp, pp, ep, dp  int
	stages          []*Compiled // where there is more than one stage or group: one for each stage, with that stage's layers
	first, layers   int         // of a stage: the layer it begins with, and how many it has
	decode, prefill []OpGroup
	mixed           []OpGroup // operations of a step that also works on pieces of prompts: those of a prefill, and those only decoding has

	bw, link, net float64 // bytes/s: memory, to peers, to other nodes
	cacheBW       float64 // bytes/s of the last-level cache; 0 where it is not known
	fixed         fixedOps
	vary          []varyingOp // grow with the context
	experts       []expertOp  // weights depend on how many experts the batch hits
	windows       []windowSum // the same, summed per window, for Limit
	mem           memoryTable

	finite []int // windows that are not infinite

	engine *kerneltime.Engine
	cal    *lazyPricer
}

// fixedOps are the operations whose time does not depend on the context: each takes
// max(c·B, m0+m1·B) seconds. Sorted by the batch from which compute binds, so that a
// batch needs one search instead of a loop.
type fixedOps struct {
	from   []float64 // batch from which op i is bound by compute, ascending
	c      []float64 // prefix sums of c over the ops before i
	m0, m1 []float64 // suffix sums over the ops from i on
	sumC   float64
	sumM0  float64
	sumM1  float64
	link   float64 // collectives, seconds per sequence
	// What they send inside the node and between nodes, seconds per sequence.
	inNode, between float64
}

type varyingOp struct {
	count          float64
	c1, cL, m1, mL float64 // seconds per sequence, and per sequence and visible position
	m0             float64
	reach
	seen int // where the window is among Compiled.Windows
}

type expertOp struct {
	count          float64
	c1, m0, m1, mh float64
	shape          *Shape
}

type windowSum struct {
	reach
	cL, mL float64
}

// Compile checks the model, lists its operations and reduces them for hw.
func Compile(m *arch.Model, hw *hardware.Profile, o Options) (*Compiled, error) {
	if err := m.Check(); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	if o.EP > 1 && !hasExperts(m) { // says more than how many groups would have to share them
		return nil, fmt.Errorf("ep %d: %s has no experts to spread", o.EP, m.Name)
	}
	f, err := o.resolve(m, hw)
	if err != nil {
		return nil, err
	}
	c := &Compiled{Model: m, Hardware: hw, Options: o, f: f, tp: max(o.TP, 1), pp: max(o.PP, 1), ep: max(o.EP, 1), dp: max(o.DP, 1),
		bw: hw.MemoryBandwidth.Value, link: hw.LinkBandwidth.Value, net: hw.NetworkBandwidth.Value, cacheBW: hw.CacheBandwidth.Value, layers: len(m.Layers)}
	if c.engine, err = kerneltime.EngineNamed(o.Engine); err != nil {
		return nil, err
	}
	if o.Calibration != nil {
		if _, err := kerneltime.With(hw, o.Calibration); err != nil {
			return nil, err
		}
	}
	if c.tp > 1 && c.link <= 0 {
		return nil, fmt.Errorf("tp %d: %s has no link_bandwidth figure for its all-reduces", c.tp, hw.Name)
	}
	if n := hw.MaxLinked.Value; c.tp > 1 && n > 0 && float64(c.tp) > n {
		return nil, fmt.Errorf("tp %d: at most %g of %s share one fabric", c.tp, n, hw.Name)
	}
	if err := c.checkPlace(); err != nil {
		return nil, err
	}
	decode, err := build(m, o, f, hw, false, true)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	prefill := decode
	_, cross := m.CrossDecoder()
	if cross && o.Prefill == execution.Skip || decode.phased {
		if prefill, err = build(m, o, f, hw, true, true); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	if err := c.checkLinks(decode.ops); err != nil {
		return nil, err
	}
	c.fill(group(decode.ops), group(prefill.ops), decode == prefill)
	if c.pp > 1 || c.dp > 1 {
		c.split(decode, prefill)
	}
	return c, nil
}

// fill takes the operations of a step and a prefill and reduces them.
func (c *Compiled) fill(decode, prefill []OpGroup, same bool) {
	c.decode, c.prefill = decode, prefill
	if same {
		c.prefill = decode
	}
	c.mixed = c.prefill
	for i := range c.decode {
		if g := c.decode[i]; g.Only == StepOnly {
			c.mixed = append(slices.Clip(c.mixed), g)
		}
	}
	c.reduce()
	c.mem = c.memoryTable()
	c.cal = &lazyPricer{}
}

// group merges equal operations of different blocks, in the order of first appearance.
func group(ops []OpGroup) []OpGroup {
	type key struct {
		name  string
		shape Shape
	}
	seen := make(map[key][]int, len(ops))
	out := make([]OpGroup, 0, len(ops))
next:
	for i := range ops {
		o := ops[i]
		k := key{o.Name, o.Shape}
		for _, j := range seen[k] {
			if o.Layer = out[j].Layer; o.Op == out[j].Op {
				out[j].Count += o.Count
				continue next
			}
		}
		o.Layer = ops[i].Layer
		seen[k] = append(seen[k], len(out))
		out = append(out, o)
	}
	return out
}

func (c *Compiled) peak(o *Op) float64 { return c.Hardware.Peak[o.Compute].Value }

// decodeCoef adds up the parts of a linear form for steps of one new position: the constant, and
// the parts per sequence, per sequence and visible position, and per expert hit.
func decodeCoef(k *Coef) (c0, c1, cL, ch float64) {
	return k[one], k[rows] + k[seqs] + k[ring], k[pairs] + k[kvRows], k[hit]
}

func (c *Compiled) reduce() {
	for i := range c.decode {
		if w := c.decode[i].Shape.span(); w != 0 && c.windowIndex(w) < 0 {
			c.finite = append(c.finite, w)
		}
	}
	slices.Sort(c.finite)
	type fixed struct{ from, c, m0, m1 float64 }
	var fs []fixed
	for i := range c.decode {
		g := &c.decode[i]
		n := float64(g.Count)
		v := c.varying(&g.Op)
		v.count = n
		mh := g.Bytes[Weights][hit] / c.bw
		_, l1, _, _ := decodeCoef(&g.Link)
		_, n1, _, _ := decodeCoef(&g.Net)
		switch {
		case n1 > 0:
			if l1 > 0 {
				l1 /= c.link
			}
			c.fixed.link += n * max(l1, n1/c.net)
			c.fixed.inNode += n * l1
			c.fixed.between += n * n1 / c.net
		case l1 > 0:
			c.fixed.link += n * l1 / c.link
			c.fixed.inNode += n * l1 / c.link
		case mh > 0:
			c.experts = append(c.experts, expertOp{n, v.c1, v.m0, v.m1, mh, &g.Shape})
		case v.cL > 0 || v.mL > 0:
			c.vary = append(c.vary, v)
		default:
			from := math.Inf(1)
			if v.c1 > v.m1 {
				from = v.m0 / (v.c1 - v.m1)
			}
			fs = append(fs, fixed{from, n * v.c1, n * v.m0, n * v.m1})
		}
	}
	sort.SliceStable(fs, func(i, j int) bool { return fs[i].from < fs[j].from })
	x := &c.fixed
	n := len(fs)
	x.from, x.c = make([]float64, n), make([]float64, n+1)
	x.m0, x.m1 = make([]float64, n+1), make([]float64, n+1)
	for i, f := range fs {
		x.from[i], x.c[i+1] = f.from, x.c[i]+f.c
	}
	for i := n - 1; i >= 0; i-- {
		x.m0[i], x.m1[i] = x.m0[i+1]+fs[i].m0, x.m1[i+1]+fs[i].m1
	}
	x.sumC, x.sumM0, x.sumM1 = x.c[n], x.m0[0], x.m1[0]
	for _, v := range c.vary {
		i := slices.IndexFunc(c.windows, func(w windowSum) bool { return w.reach == v.reach })
		if i < 0 {
			i = len(c.windows)
			c.windows = append(c.windows, windowSum{reach: v.reach})
		}
		c.windows[i].cL += v.count * v.cL
		c.windows[i].mL += v.count * v.mL
		x.sumC += v.count * v.c1
		x.sumM0 += v.count * v.m0
		x.sumM1 += v.count * v.m1
	}
	sort.Slice(c.windows, func(i, j int) bool { return c.windows[i].window < c.windows[j].window })
}

// Stored returns the bytes that the checkpoint's weights take in each format, where the checkpoint
// is quantised and priced as stored; nil otherwise.
func (c *Compiled) Stored() []arch.Share {
	if !c.f.stored || !c.Model.Quantised() {
		return nil
	}
	return c.Model.StoredShares()
}

// Formats names the storage and compute formats in use, in words for people.
func (c *Compiled) Formats() string {
	s := "weights " + c.f.weights.String()
	if c.f.stored && c.Model.Quantised() {
		s = "weights as stored (" + c.Model.StoredSummary() + ")"
	} else if c.f.weights.Quantised() {
		s += " (embedding, head and norms " + c.f.base.String() + ")"
	}
	s += fmt.Sprintf(", KV %s, state %s, compute %s", c.f.kv, c.f.state, c.f.compute)
	if c.f.experts != c.f.weights {
		s += ", experts " + c.f.experts.String()
	}
	if c.f.conv != c.f.state && c.mem.state > 0 {
		s += ", convolution state " + c.f.conv.String()
	}
	return s
}

// DecodeOps are the grouped operations of a decode step, in the order they run.
func (c *Compiled) DecodeOps() []OpGroup { return c.decode }
