package figure

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"
)

// siLabel writes a tick value with an SI prefix: 2k, 1.5M, 0.1, 2m.
func siLabel(v float64) string {
	if v == 0 {
		return "0"
	}
	a := math.Abs(v)
	if a >= 0.01*0.9999 && a < 0.9999 {
		return strconv.FormatFloat(round(v), 'f', -1, 64)
	}
	for _, p := range []struct {
		s string
		v float64
	}{{"P", 1e15}, {"T", 1e12}, {"G", 1e9}, {"M", 1e6}, {"k", 1e3}, {"", 1}, {"m", 1e-3}, {"µ", 1e-6}, {"n", 1e-9}, {"p", 1e-12}} {
		if a >= p.v*0.9999 {
			return strconv.FormatFloat(round(v/p.v), 'f', -1, 64) + p.s
		}
	}
	return strconv.FormatFloat(v, 'g', 2, 64)
}

func round(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	return r
}

// linear puts about five ticks at round numbers, with SI prefixes where they are large
// or very small.
type linear struct{}

// Ticks implements plot.Ticker.
func (linear) Ticks(low, high float64) []plot.Tick {
	span := high - low
	if !(span > 0) {
		return nil
	}
	step := math.Pow(10, math.Floor(math.Log10(span/4)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if span/(step*m) <= 6 {
			step *= m
			break
		}
	}
	var out []plot.Tick
	for i := math.Ceil(low / step); i*step <= high*(1+1e-9)+1e-12*step; i++ {
		v := round(i * step)
		label := strconv.FormatFloat(v, 'f', -1, 64)
		if math.Abs(high) >= 10000 || step < 0.01 {
			label = siLabel(v)
		}
		out = append(out, plot.Tick{Value: v, Label: label})
	}
	return out
}

// decades ticks a logarithmic axis: at powers of ten, between them where there are few,
// labelled as far as labels do not crowd.
type decades struct{}

// Ticks implements plot.Ticker.
func (decades) Ticks(low, high float64) []plot.Tick {
	if !(low > 0) || !(high > low) {
		return nil
	}
	span := math.Log10(high / low)
	every := max(1, int(math.Ceil(span/7)))
	marks := []float64{1}
	switch {
	case span < 1.2:
		marks = []float64{1, 1.5, 2, 3, 4, 5, 7}
	case span < 2.6:
		marks = []float64{1, 2, 5}
	}
	var out []plot.Tick
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for m := 1.0; m < 10; m++ {
			v := m * math.Pow(10, e)
			if v >= low*(1-1e-9) && v <= high*(1+1e-9) {
				out = append(out, plot.Tick{Value: v})
			}
		}
		for _, m := range marks {
			v := m * math.Pow(10, e)
			if v < low*(1-1e-9) || v > high*(1+1e-9) || int(e)%every != 0 {
				continue
			}
			label := plot.Tick{Value: v, Label: siLabel(v)}
			if i := indexOf(out, v); i >= 0 {
				out[i] = label
			} else {
				out = append(out, label)
			}
		}
	}
	return out
}

// doublings ticks a logarithmic axis at powers of two.
type doublings struct{}

// Ticks implements plot.Ticker.
func (doublings) Ticks(low, high float64) []plot.Tick {
	var out []plot.Tick
	if !(low > 0) {
		return nil
	}
	every := max(1, int(math.Ceil(math.Log2(high/low)/8)))
	for e := math.Ceil(math.Log2(low) - 1e-9); math.Pow(2, e) <= high*(1+1e-9); e++ {
		v := math.Pow(2, e)
		t := plot.Tick{Value: v}
		if int(e)%every == 0 {
			t.Label = binaryLabel(v)
		}
		out = append(out, t)
	}
	return out
}

// binaryLabel writes 32,768 as 32Ki.
func binaryLabel(v float64) string {
	for _, p := range []struct {
		s string
		v float64
	}{{"Mi", 1 << 20}, {"Ki", 1 << 10}} {
		if v >= p.v && math.Mod(v, p.v) == 0 {
			return strconv.FormatFloat(v/p.v, 'f', -1, 64) + p.s
		}
	}
	return siLabel(v)
}

func indexOf(ts []plot.Tick, v float64) int {
	for i, t := range ts {
		if math.Abs(t.Value-v) < 1e-9*v {
			return i
		}
	}
	return -1
}
