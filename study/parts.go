package study

import (
	"fmt"
	"math"
	"slices"
	"sort"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/units"
)

// GMURatio measures how the share of cross-attention layers that are replaced by GMUs changes
// throughput, cache reads and weights, for every model that has a cross-decoder. A cross-decoder
// cannot have every share: points stand at the shares that the models really got.
func (s *Setup) GMURatio() (*Chart, error) {
	x := Axis{Label: "GMU ratio", Scale: Linear}
	speed := Panel{Form: Curves, Heading: "throughput", X: x, Y: Axis{Label: "throughput", Unit: "tokens/s", Scale: Linear, FromZero: true}}
	read := Panel{Form: Curves, Heading: "cache read per token of context", X: x, Y: Axis{Label: "read per token", Unit: "B", Scale: Linear, FromZero: true}}
	hold := Panel{Form: Curves, Heading: "weights of a device", X: x, Y: Axis{Label: "weights", Unit: "B", Scale: Linear, FromZero: true}}
	of := *s
	of.Compiled = slices.DeleteFunc(slices.Clone(s.Compiled), func(c *costmodel.Compiled) bool { _, ok := c.Model.GMURatio(); return !ok })
	if len(of.Compiled) == 0 {
		return nil, fmt.Errorf("no model has a cross-decoder: there is no GMU ratio to draw (try phi4-mini-flash or 'sambay(d=16)')")
	}
	counted := map[string]bool{} // models whose bytes are drawn: they are the same on every device
	for _, c := range of.Compiled {
		a, b, d := of.series(c), of.series(c), of.series(c)
		if of.severalDevices() {
			b.Name = "on every device"
			if of.severalModels() {
				b.Name = c.Model.Name
			}
			b.Device, d.Device, d.Name = "", "", b.Name
		}
		last := math.NaN()
		for i := range 21 {
			v, err := WithRatio(c, float64(i)/20)
			if err != nil {
				return nil, err
			}
			r, _ := v.Model.GMURatio()
			if r == last {
				continue
			}
			last = r
			n, fit := s.batch(v, s.Load.Prompt, s.Load.Generate)
			if n > 0 {
				q := Point{X: r, Batch: n, Fits: fit}
				q.Y, q.Low, q.High = s.mean(v, n, s.Load.Prompt, s.Load.Generate).inverse(float64(n))
				a.Points = append(a.Points, q)
			}
			m := v.Memory(s.Load.WithBatch(max(n, 1)))
			b.Points = append(b.Points, Point{X: r, Y: m.CacheReadBytesPerToken, Batch: n, Fits: true})
			d.Points = append(d.Points, Point{X: r, Y: m.WeightsBytes, Batch: n, Fits: true})
		}
		a.Extra = misfit(a.Points, func(x float64) string { return fmt.Sprintf("%.2g", x) })
		if speed.Series = append(speed.Series, a); !counted[c.Model.Name] {
			counted[c.Model.Name] = true
			read.Series, hold.Series = append(read.Series, b), append(hold.Series, d)
		}
	}
	return s.chart("gmu-ratio", "What the GMU ratio buys"+of.of(), s.setting("prompt", "generate", "batch"),
		"Panels over the GMU ratio from 0 to 1: tokens per second, cache bytes read per token of context, bytes of weights", speed, read, hold), nil
}

// topParts is the most parts that a bar has; smaller parts are added up as "other".
const topParts = 7

// Other names the part of a bar that adds up the operations too small to show.
const Other = "other"

// Breakdown measures the shares of time and of bytes that operations take, with two bars for each
// model.
func (s *Setup) Breakdown() *Chart {
	total, class := map[string]float64{}, map[string]string{}
	all := make([][]costmodel.OpCost, len(s.Compiled))
	for i, c := range s.Compiled {
		all[i] = s.Operations(c)
		for _, o := range all[i] {
			total[OpName(o)] += o.Share
			class[OpName(o)] = opClass(o)
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
		parts = append(append([]string(nil), parts...), Other)
	}
	time := Panel{Form: Bars, Heading: "time", X: Axis{Label: "operation"}, Y: Axis{Label: "time of a step", Unit: "s"}}
	moved := Panel{Form: Bars, Heading: "bytes", X: Axis{Label: "operation"}, Y: Axis{Label: "bytes moved in a step", Unit: "B"}}
	for i, c := range s.Compiled {
		t, b := s.series(c), s.series(c)
		t.Points, b.Points = make([]Point, len(parts)), make([]Point, len(parts))
		w, fit := c.Fill(s.Load)
		if !fit {
			t.Extra, b.Extra = "does not fit", "does not fit"
		}
		sumT, sumB := 0.0, 0.0
		for _, o := range all[i] {
			k, ok := at[OpName(o)]
			if !ok {
				k = len(parts) - 1
			}
			t.Points[k].Y += o.Seconds
			b.Points[k].Y += o.Total()
			sumT, sumB = sumT+o.Seconds, sumB+o.Total()
		}
		for k, name := range parts {
			for _, p := range []*Point{&t.Points[k], &b.Points[k]} {
				p.Name, p.Class, p.X, p.Batch, p.Fits = name, class[name], float64(k), w.Batch, fit
			}
			t.Points[k].Share, b.Points[k].Share = t.Points[k].Y/sumT, b.Points[k].Y/sumB
		}
		time.Series, moved.Series = append(time.Series, t), append(moved.Series, b)
	}
	return s.chart("breakdown", "Where a decode step goes"+s.of(), s.setting("prompt", "generate", "batch"),
		"Stacked bars of the share of time and of bytes by operation, for each model", time, moved)
}

// OpName names an operation so that operations with the same name can be told apart.
func OpName(o costmodel.OpCost) string {
	if o.Detail != "" {
		return o.Name + ", " + o.Detail
	}
	return o.Name
}

// opClass returns what an operation's kernel does and in which part of a decoder it is: "attn
// mixer", "gemm ffn"; "" for the time that a serving engine adds.
func opClass(o costmodel.OpCost) string {
	if o.Layers == 0 {
		return ""
	}
	return o.Class.String() + " " + o.Part.String()
}

// mostRoofs is the most rooflines in a figure, since each takes a panel.
const mostRoofs = 6

// Roofline measures the decode operations of every model on every device, with one panel for each
// pair: the rate in FLOP/s against the arithmetic intensity in FLOP/B. At calibrated, the rate is
// what the kernel reaches; at roofline, the most that the device allows. The first series of a
// panel is the roof, and its middle point the ridge. Element-wise operations have the lower roof
// of the vector units.
func (s *Setup) Roofline() (*Chart, error) {
	if len(s.Compiled) > mostRoofs {
		return nil, fmt.Errorf("%d rooflines are asked for: a figure holds no more than %d", len(s.Compiled), mostRoofs)
	}
	t := *s
	about := "each operation at the rate its kernel reaches"
	switch fs := s.Fidelities(); {
	case fs[0] == costmodel.Limit: // the limit prices a step as a whole
		t.Fidelity = costmodel.Roofline
		fallthrough
	case fs[len(fs)-1] == costmodel.Roofline:
		about = "each operation at what its roof allows"
	case len(fs) > 1:
		about = "each operation at the rate its kernel reaches, or at what its roof allows where none was measured"
	}
	lowest, highest := math.Inf(1), 0.0
	var panels []Panel
	for _, c := range t.Compiled {
		bw, peak := c.Hardware.MemoryBandwidth.Value, 0.0
		line := t.series(c)
		line.Name, line.Cloud = "operations", true
		w, fit := c.Fill(t.Load)
		heading := t.whole(c)
		if !fit {
			line.Extra = "does not fit"
			heading += ", does not fit"
		}
		measured := t.measured(c)
		for _, o := range t.Operations(c) {
			if o.Intensity <= 0 || o.Class == costmodel.Collective {
				continue
			}
			peak = max(peak, o.Ridge*bw)
			rate := min(o.Ridge*bw, o.Intensity*bw)
			if measured && o.Seconds > 0 {
				rate = o.FLOPs / o.Seconds
			}
			lowest, highest = min(lowest, o.Intensity), max(highest, o.Intensity, 2*peak/bw)
			line.Points = append(line.Points, Point{X: o.Intensity, Y: rate, Name: OpName(o), Class: opClass(o), Share: o.Share, Batch: w.Batch, Fits: fit})
		}
		roof := Series{Name: "roof", Model: c.Model.Name, Device: c.Hardware.Name, Bare: true, Extra: units.SI(peak, "FLOP/s") + ", " + units.SI(bw, "B/s"),
			Points: []Point{{X: peak / bw, Y: peak, Fits: true}}}
		panels = append(panels, Panel{Form: Roofline, Heading: heading, X: Axis{Label: "arithmetic intensity", Unit: "FLOP/B", Scale: Log10},
			Y: Axis{Label: "rate", Unit: "FLOP/s", Scale: Log10}, Series: []Series{roof, line}})
	}
	for i := range panels {
		roof := &panels[i].Series[0]
		ridge := roof.Points[0]
		bw := ridge.Y / ridge.X
		roof.Points = []Point{{X: lowest / 2, Y: bw * lowest / 2, Fits: true}, ridge, {X: 2 * highest, Y: ridge.Y, Fits: true}}
	}
	c := t.chart("roofline", "Roofline of a decode step"+t.of(), append(t.setting("prompt", "generate", "batch"), about+", with its share of the step's time"),
		"Operations as points under the roof of each device, intensity against arithmetic rate", panels...)
	return c, nil
}

// Speedup measures how much faster the second model decodes than the first, for several contexts
// and batches.
func (s *Setup) Speedup() (*Chart, error) {
	if len(s.Compiled) != 2 {
		return nil, fmt.Errorf("a speedup is drawn of two: a baseline and another, not of %d", len(s.Compiled))
	}
	base, other := s.Compiled[0], s.Compiled[1]
	p := Panel{Form: Grid, X: Axis{Label: "context", Unit: "tokens", Scale: Log2}, Y: Axis{Label: "batch", Scale: Log2}}
	for _, b := range doubled(1, 128) {
		row := Series{Name: fmt.Sprintf("batch %d", b), Model: other.Model.Name, Device: other.Hardware.Name, Fidelity: s.fidelities(), Basis: s.basis(other)}
		for _, n := range doubled(1024, max(1<<17, s.longest())) {
			w := costmodel.Workload{Generate: n, Batch: b}
			row.Points = append(row.Points, Point{X: float64(n), Y: float64(b), Batch: b,
				Value: s.step(base, b, n).seconds / s.step(other, b, n).seconds,
				Fits:  base.Memory(w).Fits && other.Memory(w).Fits})
		}
		p.Series = append(p.Series, row)
	}
	return s.chart("speedup", fmt.Sprintf("Decode speed of %s over %s", s.whole(other), s.whole(base)), s.setting(),
		"Grid of the speedup of a decode step over context and batch", p), nil
}

// whole returns a model's name, with its device where devices differ.
func (s *Setup) whole(c *costmodel.Compiled) string {
	if s.severalDevices() {
		return c.Model.Name + " on " + c.Hardware.Name
	}
	return c.Model.Name
}
