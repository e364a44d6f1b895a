package figure

import (
	"math"

	"ridgeline/serving"
)

// ServingPoint is one simulated load: tokens a second and times in seconds.
type ServingPoint struct {
	Model                                  string
	Throughput, TPOT, TTFT, TPOT99, TTFT99 float64
}

// Serving draws latency against throughput, a line for each model from its lightest load to
// its heaviest.
func Serving(points []ServingPoint, setting string) *Figure {
	tpot := &Axes{Heading: "Time per output token", XLabel: "output tokens/s", YLabel: "mean, ms", FromZero: true}
	ttft := &Axes{Heading: "Time to first token", XLabel: "output tokens/s", YLabel: "mean, ms", Y: Log10}
	for _, a := range []struct {
		axes *Axes
		of   func(ServingPoint) float64
	}{{tpot, func(p ServingPoint) float64 { return p.TPOT }}, {ttft, func(p ServingPoint) float64 { return p.TTFT }}} {
		at := map[string]int{}
		for _, p := range points {
			v := 1e3 * a.of(p)
			if math.IsNaN(v) || v <= 0 {
				continue
			}
			i, ok := at[p.Model]
			if !ok {
				i = len(a.axes.Series)
				at[p.Model] = i
				a.axes.Series = append(a.axes.Series, Series{Name: p.Model})
			}
			s := &a.axes.Series[i]
			s.X, s.Y = append(s.X, p.Throughput), append(s.Y, v)
		}
	}
	return Lines("Latency against throughput under load", setting, "Lines of milliseconds over tokens per second, one for each model, from the lightest load to the heaviest", tpot, ttft)
}

// Occupancy draws what a run's replicas have running, waiting and in their caches over time.
func Occupancy(s *serving.Series, replicas int, setting string) *Figure {
	load := &Axes{Heading: "Requests", XLabel: "time, s", YLabel: "requests", FromZero: true, Series: []Series{{Name: "running", Bare: true}, {Name: "waiting", Bare: true}}}
	cache := &Axes{Heading: "Cache", XLabel: "time, s", YLabel: "blocks held, %", FromZero: true, Series: []Series{{Name: "cache", Bare: true, Index: 2}}, Indexed: true}
	now := make([]serving.Event, max(replicas, 1))
	for _, e := range s.Points {
		if e.Replica < len(now) {
			now[e.Replica] = e
		}
		run, wait, used, blocks := 0, 0, 0, 0
		for _, x := range now {
			run, wait, used, blocks = run+x.Running, wait+x.Waiting, used+x.Used, blocks+x.Blocks
		}
		for i, v := range []float64{float64(run), float64(wait)} {
			load.Series[i].X, load.Series[i].Y = append(load.Series[i].X, e.Time), append(load.Series[i].Y, v)
		}
		cache.Series[0].X, cache.Series[0].Y = append(cache.Series[0].X, e.Time), append(cache.Series[0].Y, 100*float64(used)/float64(max(blocks, 1)))
	}
	return Lines("Load and cache over time", setting, "Lines of requests running and waiting, and of the share of cache blocks held, over seconds", load, cache)
}
