package study

import (
	"math"

	"github.com/OWNER/ridgeline/serving"
)

// ServedPoint is one simulated load of a model. Throughput is in tokens a second; the mean times
// are in seconds, and NaN where they do not exist.
type ServedPoint struct {
	Name, Model, Device    string // what the point's line is called; Name may be the same as Model
	Load                   string // the load in words
	Throughput, TPOT, TTFT float64
}

// Served draws latency against throughput under load: a line for each model, from its lightest
// load to its heaviest.
func Served(points []ServedPoint, fidelity string, setting []string) *Chart {
	x := Axis{Label: "throughput", Unit: "tok/s", Scale: Linear, FromZero: true}
	c := &Chart{Kind: "served", Title: "Latency against throughput under load", Setting: setting, Fidelity: fidelity,
		Alt: "Lines of seconds over tokens a second, one for each model, from the lightest load to the heaviest",
		Panels: []Panel{
			{Heading: "Time per output token", Form: Curves, X: x, Y: Axis{Label: "mean time per output token", Unit: "s", Scale: Linear, FromZero: true}},
			{Heading: "Time to first token", Form: Curves, X: x, Y: Axis{Label: "mean time to first token", Unit: "s", Scale: Log10}},
		}}
	for i, of := range []func(ServedPoint) float64{func(p ServedPoint) float64 { return p.TPOT }, func(p ServedPoint) float64 { return p.TTFT }} {
		panel := &c.Panels[i]
		at := map[string]int{}
		for _, p := range points {
			v := of(p)
			if math.IsNaN(v) || v <= 0 {
				continue
			}
			j, ok := at[p.Name]
			if !ok {
				j = len(panel.Series)
				at[p.Name] = j
				panel.Series = append(panel.Series, Series{Name: p.Name, Model: p.Model, Device: p.Device})
			}
			panel.Series[j].Points = append(panel.Series[j].Points, Point{X: p.Throughput, Y: v, Name: p.Load, Fits: true})
		}
	}
	return c
}

// Occupancy draws over time how many requests a run's replicas have running and waiting, and how
// full their caches are.
func Occupancy(s *serving.Series, setting []string) *Chart {
	x := Axis{Label: "time", Unit: "s", Scale: Linear}
	c := &Chart{Kind: "occupancy", Title: "Load and cache over time", Setting: setting,
		Alt: "Lines of requests running and waiting, and of the share of cache blocks held, over seconds",
		Panels: []Panel{
			{Heading: "Requests", Form: Curves, X: x, Y: Axis{Label: "requests", Scale: Linear, FromZero: true}, Series: []Series{{Name: "running", Bare: true}, {Name: "waiting", Bare: true}}},
			{Heading: "Cache", Form: Curves, X: x, Y: Axis{Label: "blocks held, %", Scale: Linear, FromZero: true}, Series: []Series{{Name: "cache", Bare: true}}},
		}}
	var now []serving.Event
	load, cache := c.Panels[0].Series, c.Panels[1].Series
	for _, e := range s.Points {
		for e.Replica >= len(now) {
			now = append(now, serving.Event{})
		}
		now[e.Replica] = e
		run, wait, used, blocks := 0, 0, 0, 0
		for _, x := range now {
			run, wait, used, blocks = run+x.Running, wait+x.Waiting, used+x.Used, blocks+x.Blocks
		}
		load[0].Points = append(load[0].Points, Point{X: e.Time, Y: float64(run), Fits: true})
		load[1].Points = append(load[1].Points, Point{X: e.Time, Y: float64(wait), Fits: true})
		cache[0].Points = append(cache[0].Points, Point{X: e.Time, Y: 100 * float64(used) / float64(max(blocks, 1)), Fits: true})
	}
	return c
}
