package figure

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"ridgeline/arch"
	"ridgeline/costmodel"
	"ridgeline/hardware"
)

// Setup is what the figures about models are drawn from: every model compiled on the
// first device, at one workload.
type Setup struct {
	Compiled []*costmodel.Compiled
	Devices  []*hardware.Profile // the roofline is drawn for all of them
	Fidelity costmodel.Fidelity
	Load     costmodel.Workload // Batch 0: the largest that fits
}

// setting is the subtitle: device, workload, fidelity, basis.
func (s *Setup) setting(parts ...string) string {
	c := s.Compiled[0]
	batch := fmt.Sprintf("batch %d", s.Load.Batch)
	if s.Load.Batch == 0 {
		batch = "largest batch that fits"
	}
	out := []string{c.Hardware.Title}
	if c.TP() > 1 {
		out[0] += fmt.Sprintf(" × %d", c.TP())
	}
	for _, p := range parts {
		switch p {
		case "batch":
			out = append(out, batch)
		case "prompt":
			out = append(out, fmt.Sprintf("prompt %s tokens", short(s.Load.Prompt)))
		case "generate":
			out = append(out, fmt.Sprintf("%s generated", short(s.Load.Generate)))
		}
	}
	return strings.Join(append(out, c.Formats(), fmt.Sprintf("KV %s, fidelity %s (%s)", c.Options.KVRead, s.Fidelity, s.basis())), " · ")
}

// basis is what the models' times rest on, each said once.
func (s *Setup) basis() string {
	var all []string
	for _, c := range s.Compiled {
		b, _, _ := strings.Cut(c.Basis(s.Fidelity), " (")
		if !slices.Contains(all, b) {
			all = append(all, b)
		}
	}
	return strings.Join(all, ", ")
}

func short(n int) string {
	if n >= 1024 && n%1024 == 0 {
		return binaryLabel(float64(n))
	}
	return siLabel(float64(n))
}

// batch is the workload's, or the largest that fits.
func (s *Setup) batch(c *costmodel.Compiled, prompt, generate int) int {
	if s.Load.Batch > 0 {
		return s.Load.Batch
	}
	return c.MaxBatch(prompt, generate)
}

// doubled lists powers of two from low to at most high.
func doubled(low, high int) []int {
	var out []int
	for n := low; n <= high; n *= 2 {
		out = append(out, n)
	}
	return out
}

// longest is the span of lengths a figure shows: past the workload, at least 32Ki.
func (s *Setup) longest() int {
	n := 1 << 15
	for n < 2*(s.Load.Prompt+s.Load.Generate) {
		n *= 2
	}
	return n
}

// spread picks a log scale where one model is so far from another that a linear axis shows
// but one of them.
func spread(a *Axes) {
	var tops []float64
	for _, s := range a.Series {
		if len(s.Y) > 0 {
			tops = append(tops, slices.Max(s.Y))
		}
	}
	a.Y = scaleFor(tops)
}

// Throughput draws decode throughput against generation length.
func Throughput(s *Setup) *Figure {
	a := &Axes{XLabel: "tokens generated", YLabel: "decode throughput, tokens/s", X: Log2, FromZero: true}
	for _, c := range s.Compiled {
		line := Series{Name: c.Model.Name}
		for _, g := range doubled(256, s.longest()) {
			b := s.batch(c, s.Load.Prompt, g)
			if b == 0 {
				continue
			}
			line.X = append(line.X, float64(g))
			line.Y = append(line.Y, float64(b)*float64(g)/c.Generation(s.Fidelity, b, s.Load.Prompt, g))
		}
		a.Series = append(a.Series, line)
	}
	spread(a)
	return Lines("Decode throughput against generation length", s.setting("prompt", "batch"),
		"Lines of tokens per second over tokens generated, one for each model", a)
}

// TPOT draws the time of a decode step against the context it sees.
func TPOT(s *Setup) *Figure {
	a := &Axes{XLabel: "context, tokens", YLabel: "time per output token, ms", X: Log2, Y: Log10}
	for _, c := range s.Compiled {
		line := Series{Name: c.Model.Name}
		for _, n := range doubled(512, 2*s.longest()) {
			if b := s.batch(c, 0, n); b > 0 {
				line.X = append(line.X, float64(n))
				line.Y = append(line.Y, 1e3*c.DecodeStep(s.Fidelity, b, n))
			}
		}
		a.Series = append(a.Series, line)
	}
	return Lines("Time per output token against context", s.setting("batch"), "Lines of milliseconds per decode step over context, one for each model", a)
}

// Memory draws what a device holds against context, with its capacity.
func Memory(s *Setup) *Figure {
	a := &Axes{XLabel: "context, tokens", YLabel: "memory of a device, GB", X: Log2, Y: Log10}
	b := max(s.Load.Batch, 1)
	for _, c := range s.Compiled {
		line := Series{Name: c.Model.Name}
		for _, n := range doubled(512, 2*s.longest()) {
			line.X = append(line.X, float64(n))
			line.Y = append(line.Y, c.Memory(b, s.Load.Prompt, max(n-s.Load.Prompt, 1)).TotalBytes/1e9)
		}
		a.Series = append(a.Series, line)
	}
	room := s.Compiled[0].Memory(1, 0, 1).CapacityBytes
	a.Levels = []Level{{fmt.Sprintf("capacity of %s, %.3g GB", s.Compiled[0].Hardware.Name, room/1e9), room / 1e9}}
	t := *s
	t.Load.Batch = b
	return Lines("Memory against context", t.setting("batch"), "Lines of bytes held over context, one for each model, and the device's capacity", a)
}

// GMURatio draws what replacing cross-attention by GMUs does to throughput, cache reads
// and capacity, for every model that has a cross-decoder.
func GMURatio(s *Setup) (*Figure, error) {
	speed := &Axes{Heading: "throughput", XLabel: "GMU ratio", YLabel: "tokens/s", FromZero: true}
	read := &Axes{Heading: "cache read", XLabel: "GMU ratio", YLabel: "B per token of context", FromZero: true}
	fit := &Axes{Heading: "largest batch", XLabel: "GMU ratio", YLabel: "sequences", FromZero: true}
	for _, c := range s.Compiled {
		if _, ok := c.Model.GMURatio(); !ok {
			continue
		}
		x, y, z := Series{Name: c.Model.Name}, Series{Name: c.Model.Name}, Series{Name: c.Model.Name}
		for i := range 11 {
			r := float64(i) / 10
			m, err := arch.WithGMURatio(c.Model, r)
			if err != nil {
				return nil, err
			}
			v, err := costmodel.Compile(m, c.Hardware, c.Options)
			if err != nil {
				return nil, err
			}
			mem := v.Memory(max(s.Load.Batch, 1), s.Load.Prompt, s.Load.Generate)
			if b := s.batch(v, s.Load.Prompt, s.Load.Generate); b > 0 {
				x.X = append(x.X, r)
				x.Y = append(x.Y, float64(b)*float64(s.Load.Generate)/v.Generation(s.Fidelity, b, s.Load.Prompt, s.Load.Generate))
			}
			y.X, y.Y = append(y.X, r), append(y.Y, mem.CacheReadBytesPerToken)
			z.X, z.Y = append(z.X, r), append(z.Y, float64(mem.MaxBatch))
		}
		speed.Series, read.Series, fit.Series = append(speed.Series, x), append(read.Series, y), append(fit.Series, z)
	}
	if len(speed.Series) == 0 {
		return nil, fmt.Errorf("no model has a cross-decoder: there is no GMU ratio to draw (try phi4-mini-flash or 'sambay(d=16)')")
	}
	return Lines("What the GMU ratio buys", s.setting("prompt", "generate", "batch"),
		"Three panels over the GMU ratio from 0 to 1: tokens per second, cache bytes read per token of context, largest batch", speed, read, fit), nil
}

// topParts bounds the parts of a stacked bar; the smallest share "other".
const topParts = 7

// Breakdown draws the shares of time and of bytes by operation, two bars a model.
func Breakdown(s *Setup) *Figure {
	total := map[string]float64{}
	type model struct {
		name string
		ops  []costmodel.OpCost
	}
	var ms []model
	for _, c := range s.Compiled {
		w := s.Load
		w.Batch = max(s.batch(c, w.Prompt, w.Generate), 1)
		ops := s.timed(c, w)
		ms = append(ms, model{c.Model.Name, ops})
		for _, o := range ops {
			total[opName(o)] += o.Share
		}
	}
	names := make([]string, 0, len(total))
	for n := range total {
		names = append(names, n)
	}
	sort.Slice(names, func(i, j int) bool {
		if total[names[i]] != total[names[j]] {
			return total[names[i]] > total[names[j]]
		}
		return names[i] < names[j]
	})
	parts := names[:min(topParts, len(names))]
	at := map[string]int{}
	for i, n := range parts {
		at[n] = i
	}
	if len(names) > topParts {
		parts = append(append([]string(nil), parts...), "other")
	}
	var bars []Bar
	for _, m := range ms {
		time, bytes := Bar{m.name + ", time", make([]float64, len(parts))}, Bar{m.name + ", bytes", make([]float64, len(parts))}
		for _, o := range m.ops {
			i, ok := at[opName(o)]
			if !ok {
				i = len(parts) - 1
			}
			time.Parts[i] += o.Seconds
			bytes.Parts[i] += o.Total()
		}
		bars = append(bars, time, bytes)
	}
	return Stacked("Where a decode step goes", s.setting("prompt", "generate", "batch"),
		"Stacked bars of the share of time and of bytes by operation, for each model", parts, bars)
}

// timed is the breakdown of a mean step in the times of the setup's fidelity; what the
// serving engine adds to calibrated ones is an operation of its own.
func (s *Setup) timed(c *costmodel.Compiled, w costmodel.Workload) []costmodel.OpCost {
	if s.Fidelity != costmodel.Calibrated {
		return c.Breakdown(w)
	}
	ops := c.FittedBreakdown(w)
	if ops[0].Calibrated == 0 {
		return ops
	}
	ops = append(ops, costmodel.OpCost{Name: "engine", Calibrated: c.EngineSeconds(w.Batch)})
	sum := 0.0
	for i := range ops {
		ops[i].Seconds = ops[i].Calibrated
		sum += ops[i].Seconds
	}
	for i := range ops {
		ops[i].Share = ops[i].Seconds / sum
	}
	return ops
}

func opName(o costmodel.OpCost) string {
	if o.Detail != "" {
		return o.Name + ", " + o.Detail
	}
	return o.Name
}

// RooflineFigure draws the first model's decode operations under each device's roof.
func RooflineFigure(s *Setup) (*Figure, error) {
	a := &Axes{XLabel: "arithmetic intensity, FLOP/B", YLabel: "attainable FLOP/s", X: Log10, Y: Log10, Indexed: true}
	m := s.Compiled[0]
	for i, hw := range s.Devices {
		c, err := costmodel.Compile(m.Model, hw, m.Options)
		if err != nil {
			return nil, err
		}
		w := s.Load
		w.Batch = max(s.batch(c, w.Prompt, w.Generate), 1)
		ops := s.timed(c, w)
		peak, bw := 0.0, hw.MemoryBandwidth.Value
		pts := Series{Name: "", Points: true, Index: i}
		for _, o := range ops {
			if o.Intensity <= 0 || o.Class == costmodel.Collective {
				continue
			}
			peak = max(peak, o.Ridge*bw)
			pts.X = append(pts.X, o.Intensity)
			pts.Y = append(pts.Y, s.rate(&o, bw))
		}
		roof := Series{Name: fmt.Sprintf("%s: %sFLOP/s, %sB/s", hw.Name, spaced(peak), spaced(bw)), Bare: true, Index: i}
		for x := 0.1; x < 3e4; x *= 1.05 {
			roof.X = append(roof.X, x)
			roof.Y = append(roof.Y, min(peak, x*bw))
		}
		a.Series = append(a.Series, roof, pts)
		if i == 0 {
			a.Labels = s.pointLabels(ops, bw)
		}
	}
	where := *s
	about := "each at what its roof allows; labels: share of the step's time; element-wise operations have the lower fp32 roof"
	if s.Fidelity == costmodel.Calibrated {
		a.YLabel = "FLOP/s"
		about = "each at the rate its kernel reaches; labels: share of the step's time"
	} else {
		where.Fidelity = costmodel.Roofline // a limit has no operations
	}
	f := Lines("Roofline of a decode step: "+m.Model.Name, where.setting("prompt", "generate", "batch")+" · "+about,
		"Operations as points under the roofline of each device, intensity against arithmetic rate", a)
	f.Legend = nil
	for _, x := range a.Series {
		if x.Name != "" {
			f.Legend = append(f.Legend, Key{Name: x.Name, Index: x.Index})
		}
	}
	f.Height *= 1.15
	return f, nil
}

// rate is the FLOP/s of an operation: what its kernel reaches in calibrated times, else
// what the roof over it allows.
func (s *Setup) rate(o *costmodel.OpCost, bw float64) float64 {
	if s.Fidelity == costmodel.Calibrated && o.Calibrated > 0 {
		return o.FLOPs / o.Calibrated
	}
	return min(o.Ridge*bw, o.Intensity*bw)
}

// Speedup draws the second model's decode speed over the first's, context by batch.
func Speedup(s *Setup) (*Figure, error) {
	if len(s.Compiled) < 2 {
		return nil, fmt.Errorf("a speedup needs two models: a baseline and another")
	}
	base, other := s.Compiled[0], s.Compiled[1]
	contexts, batches := doubled(1024, max(1<<17, s.longest())), doubled(1, 128)
	var xs, ys []string
	v := make([][]float64, len(batches))
	for _, n := range contexts {
		xs = append(xs, short(n))
	}
	for j, b := range batches {
		ys = append(ys, fmt.Sprint(b))
		for _, n := range contexts {
			v[j] = append(v[j], base.DecodeStep(s.Fidelity, b, n)/other.DecodeStep(s.Fidelity, b, n))
		}
	}
	format := func(x float64) string {
		if x >= 9.95 {
			return fmt.Sprintf("%.0f×", x)
		}
		return fmt.Sprintf("%.1f×", x)
	}
	return Heat(fmt.Sprintf("Decode speed of %s over %s", other.Model.Name, base.Model.Name), s.setting()+" · whether or not the batch fits",
		"Heat map of the speedup of a decode step over context and batch", "context, tokens", "batch", xs, ys, v, format), nil
}

// spaced is siLabel with a space before the prefix, for units: "312 T".
func spaced(v float64) string {
	l := siLabel(v)
	n := strings.TrimRight(l, "kMGTPmµnp")
	return n + " " + l[len(n):]
}

// pointLabels names the operations of a roofline: those of nearly one intensity share a
// label that lists the longest of them.
func (s *Setup) pointLabels(ops []costmodel.OpCost, bw float64) []Label {
	ops = append([]costmodel.OpCost(nil), ops...)
	sort.SliceStable(ops, func(i, j int) bool { return ops[i].Seconds > ops[j].Seconds })
	const named = 4
	type cluster struct {
		Label
		n     int
		share float64 // of the operations that are not named
	}
	var cs []*cluster
next:
	for _, o := range ops {
		y := s.rate(&o, bw)
		if o.Intensity <= 0 {
			continue
		}
		name := fmt.Sprintf("%s %.0f %%", opName(o), 100*o.Share)
		for _, c := range cs {
			if r := o.Intensity / c.X; r < 1.25 && r > 0.8 && y < 1.25*c.Y && y > 0.8*c.Y {
				if c.n++; c.n <= named {
					c.Text += "\n" + name
				} else {
					c.share += o.Share
				}
				continue next
			}
		}
		if o.Share >= 0.01 {
			cs = append(cs, &cluster{Label: Label{name, o.Intensity, y}, n: 1})
		}
	}
	// From the right, so that each has the room under the roof before those left of it.
	sort.SliceStable(cs, func(i, j int) bool { return cs[i].X > cs[j].X })
	var out []Label
	for _, c := range cs {
		if c.n > named {
			c.Text += fmt.Sprintf("\n%d more %.0f %%", c.n-named, 100*c.share)
		}
		out = append(out, c.Label)
	}
	return out
}
