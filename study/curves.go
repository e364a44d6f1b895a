package study

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/OWNER/ridgeline/costmodel"
	"github.com/OWNER/ridgeline/units"
)

// doubled lists the doubles of low up to high: low, 2·low, 4·low, ….
func doubled(low, high int) []int {
	var out []int
	for n := low; n <= high; n *= 2 {
		out = append(out, n)
	}
	return out
}

// longest returns the longest context that a figure shows, in tokens: longer than the load's, and
// at least 32Ki.
func (s *Setup) longest() int {
	n := 1 << 15
	for n < 2*(s.Load.Prompt+s.Load.Generate) && n < costmodel.MaxLength/4 {
		n *= 2
	}
	return n
}

// spread picks a logarithmic axis where series differ so much that a linear axis would show only
// one of them.
func spread(p *Panel) {
	var tops []float64
	for _, s := range p.Series {
		top := 0.0
		for _, q := range s.Points {
			top = max(top, q.Y)
		}
		if top > 0 {
			tops = append(tops, top)
		}
	}
	p.Y.Scale = scaleFor(tops)
}

// scaleFor picks a logarithmic scale for positive figures that differ by more than a factor of
// thirty.
func scaleFor(v []float64) Scale {
	if len(v) == 0 || slices.Min(v) <= 0 || slices.Max(v) <= 30*slices.Min(v) {
		return Linear
	}
	return Log10
}

// misfit returns what the label of a line says about the part of it that does not fit the device.
func misfit(points []Point, x func(float64) string) string {
	for i, p := range points {
		if p.Fits {
			continue
		}
		if i == 0 {
			return "does not fit"
		}
		return "does not fit from " + x(p.X)
	}
	return ""
}

func tokens(x float64) string { return Tokens(int(x)) }

// inverse returns how much work is done per second where amount of it takes the time p: amount/p,
// and its bounds from amount/high to amount/low.
func (p priced) inverse(amount float64) (y float64, low, high *float64) {
	y = amount / p.seconds
	if p.low != nil && p.high != nil && *p.low > 0 {
		l, h := amount / *p.high, amount / *p.low
		low, high = &l, &h
	}
	return y, low, high
}

// Throughput measures decode throughput against the number of tokens generated, in tokens per
// second of all devices together.
func (s *Setup) Throughput() *Chart {
	p := Panel{Form: Curves, X: Axis{Label: "tokens generated", Scale: Log2}, Y: Axis{Label: "decode throughput", Unit: "tokens/s", FromZero: true}}
	for _, c := range s.Compiled {
		line := s.series(c)
		for _, g := range doubled(256, s.longest()) {
			b, fit := s.batch(c, s.Load.Prompt, g)
			if b == 0 {
				continue
			}
			q := Point{X: float64(g), Batch: b, Fits: fit}
			q.Y, q.Low, q.High = s.mean(c, b, s.Load.Prompt, g).inverse(float64(b))
			line.Points = append(line.Points, q)
		}
		line.Extra = misfit(line.Points, tokens)
		p.Series = append(p.Series, line)
	}
	spread(&p)
	return s.chart("throughput", "Decode throughput against generation length"+s.of(), s.setting("prompt", "batch"),
		"Lines of tokens per second over tokens generated, one for each model", p)
}

// chart puts panels under a title.
func (s *Setup) chart(kind, title string, setting []string, alt string, panels ...Panel) *Chart {
	return finish(&Chart{Kind: kind, Title: title, Setting: setting, Alt: alt, Fidelity: s.fidelities(), Panels: panels})
}

// TPOT measures the time of a decode step against the context that the step reads.
func (s *Setup) TPOT() *Chart {
	p := Panel{Form: Curves, X: Axis{Label: "context", Unit: "tokens", Scale: Log2}, Y: Axis{Label: "time per output token", Unit: "s", Scale: Log10}}
	for _, c := range s.Compiled {
		line := s.series(c)
		for _, n := range doubled(512, 2*s.longest()) {
			b, fit := s.batch(c, 0, n)
			if b == 0 {
				continue
			}
			t := s.step(c, b, n)
			line.Points = append(line.Points, Point{X: float64(n), Y: t.seconds, Low: t.low, High: t.high, Batch: b, Fits: fit})
		}
		line.Extra = misfit(line.Points, tokens)
		p.Series = append(p.Series, line)
	}
	return s.chart("tpot", "Time per output token against context"+s.of(), s.setting("batch"),
		"Lines of seconds per decode step over context, one for each model", p)
}

// TTFT measures the time to the first token against the length of the prompt: the time of one
// prefill of a batch of such prompts.
func (s *Setup) TTFT() (*Chart, error) {
	p := Panel{Form: Curves, X: Axis{Label: "prompt", Unit: "tokens", Scale: Log2}, Y: Axis{Label: "time to first token", Unit: "s", Scale: Log10}}
	for _, c := range s.Compiled {
		line := s.series(c)
		for _, n := range doubled(128, 2*s.longest()) {
			b, fit := s.batch(c, n, 1)
			if b == 0 {
				continue
			}
			line.Points = append(line.Points, Point{X: float64(n), Y: s.prefill(c, b, n), Batch: b, Fits: fit})
		}
		line.Extra = misfit(line.Points, tokens)
		p.Series = append(p.Series, line)
	}
	return s.chart("ttft", "Time to first token against prompt length"+s.of(), append(s.setting("batch"), append(s.cached(), "all prompts of the batch worked together")...),
		"Lines of seconds to the first token over the prompt's length, one for each model", p), nil
}

// Memory measures what a device stores against the context of its sequences, and marks the
// devices' capacities. A context no longer than the load's prompt counts as a prompt and one
// generated token. A batch of max counts as one sequence.
func (s *Setup) Memory() *Chart {
	p := Panel{Form: Curves, X: Axis{Label: "context", Unit: "tokens", Scale: Log2}, Y: Axis{Label: "memory of a device", Unit: "B", Scale: Log10}}
	t := *s
	t.Load.Batch = max(s.Load.Batch, 1)
	type store struct{ model, formats string }
	seen := map[store]int{}
	rooms := map[string]bool{}
	for _, c := range s.Compiled {
		room := c.Memory(costmodel.Workload{Batch: 1, Generate: 1}).CapacityBytes
		if !rooms[c.Hardware.Name] {
			rooms[c.Hardware.Name] = true
			p.Levels = append(p.Levels, Level{fmt.Sprintf("%s, %.3g GB", c.Hardware.Name, room/1e9), room})
		}
		line := s.series(c)
		for _, n := range doubled(512, 2*s.longest()) {
			prompt := min(s.Load.Prompt, n-1)
			m := c.Memory(costmodel.Workload{Batch: t.Load.Batch, Prompt: prompt, Generate: n - prompt})
			line.Points = append(line.Points, Point{X: float64(n), Y: m.TotalBytes, Batch: t.Load.Batch, Fits: m.Fits})
		}
		// What a model stores is the same on every device. So there is one line for all devices,
		// drawn broken where none of them has room for it.
		k := store{c.Model.Name, c.Formats()}
		if i, ok := seen[k]; ok {
			for j := range line.Points {
				p.Series[i].Points[j].Fits = p.Series[i].Points[j].Fits || line.Points[j].Fits
			}
			continue
		}
		seen[k] = len(p.Series)
		line.Fidelity = "" // bytes are counted and depend on no fidelity
		if s.severalDevices() {
			line.Name = c.Model.Name
		}
		p.Series = append(p.Series, line)
	}
	for i := range p.Series {
		p.Series[i].Extra = misfit(p.Series[i].Points, tokens)
	}
	setting := append(t.setting("batch"), "prompts of up to "+Tokens(s.Load.Prompt)+" tokens")
	setting = slices.DeleteFunc(setting, func(x string) bool { return strings.Contains(x, "fidelity ") }) // bytes are counted, not timed
	c := s.chart("memory", "Memory against context"+s.of(), append(setting, "counted, not timed"), "Lines of bytes held over context, one for each model, and the capacity of each device", p)
	c.Fidelity = ""
	return c
}

// ErrNotCalibrated says that a figure needs calibrated times.
var ErrNotCalibrated = errors.New("only a fitted engine says how prompts delay running requests")

// Served measures the mean time per token against how many requests are always in flight
// (continuous batching): it includes the decode steps of all requests and the prompts that are
// worked between steps.
func (s *Setup) Served() (*Chart, error) {
	if !slices.Equal(s.Fidelities(), []costmodel.Fidelity{costmodel.Calibrated}) {
		return nil, ErrNotCalibrated
	}
	p := Panel{Form: Curves, X: Axis{Label: "requests in flight", Scale: Log2}, Y: Axis{Label: "time per output token", Unit: "s", FromZero: true}}
	for _, c := range s.Compiled {
		line := s.series(c)
		largest := c.MaxBatch(s.Load)
		for _, n := range doubled(1, 256) {
			line.Points = append(line.Points, Point{X: float64(n), Y: s.served(c, n), Batch: n, Fits: n <= largest})
		}
		line.Extra = misfit(line.Points, units.Int)
		p.Series = append(p.Series, line)
	}
	spread(&p)
	return s.chart("served", "Time per output token against requests in flight"+s.of(), append(s.setting("prompt", "generate"), "prompts worked in between"),
		"Lines of seconds per token over the requests always in flight, one for each model", p), nil
}

// PriceError names the device whose price nobody gave.
type PriceError struct{ Device string }

func (e *PriceError) Error() string {
	return fmt.Sprintf("the price of %s, in dollars an hour, is not known", e.Device)
}

// Cost measures the dollars for a million generated tokens against the batch: the price of the
// devices divided by their throughput, with the time of the prompts included.
func (s *Setup) Cost() (*Chart, error) {
	p := Panel{Form: Curves, X: Axis{Label: "batch", Scale: Log2}, Y: Axis{Label: "cost of a million tokens", Unit: "USD", Scale: Log10}}
	var prices []string
	for _, c := range s.Compiled {
		price, ok := s.Price[c.Hardware.Name]
		if !ok {
			return nil, &PriceError{Device: c.Hardware.Name}
		}
		say := fmt.Sprintf("%s at $%.4g an hour", c.Hardware.Name, price)
		if !slices.Contains(prices, say) {
			prices = append(prices, say)
		}
		line := s.series(c)
		largest := c.MaxBatch(s.Load)
		for _, b := range doubled(1, 1024) {
			t := s.mean(c, b, s.Load.Prompt, s.Load.Generate)
			pre := s.prefill(c, b, s.Load.Prompt)
			usd := func(step float64) float64 {
				request := pre + step*float64(s.Load.Generate)
				return price * float64(c.Devices()) / 3600 * request / (float64(b) * float64(s.Load.Generate)) * 1e6
			}
			q := Point{X: float64(b), Y: usd(t.seconds), Batch: b, Fits: b <= largest}
			if t.low != nil && t.high != nil {
				l, h := usd(*t.low), usd(*t.high)
				q.Low, q.High = &l, &h
			}
			line.Points = append(line.Points, q)
		}
		line.Extra = misfit(line.Points, units.Int)
		p.Series = append(p.Series, line)
	}
	setting := append(s.setting("prompt", "generate"), prices...)
	return s.chart("cost", "Cost of a million generated tokens against batch"+s.of(), append(setting, "prefill included"),
		"Lines of dollars per million generated tokens over the batch, one for each model", p), nil
}
