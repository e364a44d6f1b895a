package figure

import (
	"math"
	"strconv"

	"gonum.org/v1/plot"

	"github.com/OWNER/ridgeline/study"
	"github.com/OWNER/ridgeline/units"
)

// plainLabel writes a tick's value in full: 2,000, 0.05.
func plainLabel(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e15) {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return units.Group(strconv.FormatFloat(round(v), 'f', -1, 64))
}

func round(v float64) float64 {
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 4, 64), 64)
	return r
}

// linear puts at most most labels, and no more than seven, at round numbers.
type linear struct{ most int }

// Ticks implements plot.Ticker.
func (l linear) Ticks(low, high float64) []plot.Tick {
	span := high - low
	if !(span > 0) {
		return nil
	}
	most := float64(min(max(l.most, 2), 6))
	step := math.Pow(10, math.Floor(math.Log10(span/most)))
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if span/(step*m) <= most {
			step *= m
			break
		}
	}
	var out []plot.Tick
	for i := math.Ceil(low / step); i*step <= high*(1+1e-9)+1e-12*step; i++ {
		v := round(i * step)
		out = append(out, plot.Tick{Value: v, Label: plainLabel(v)})
	}
	return out
}

// decades ticks a logarithmic axis: at powers of ten, between them where there are few,
// labelled as far as at most most labels allow.
type decades struct{ most int }

// Ticks implements plot.Ticker.
func (d decades) Ticks(low, high float64) []plot.Tick {
	if !(low > 0) || !(high > low) {
		return nil
	}
	span := math.Log10(high / low)
	most := float64(min(max(d.most, 2), 8))
	every := max(1, int(math.Ceil(span/most)))
	marks := []float64{1}
	switch {
	case 7*span <= most:
		marks = []float64{1, 1.5, 2, 3, 4, 5, 7}
	case 3*span <= most:
		marks = []float64{1, 2, 5}
	case 2*span <= most:
		marks = []float64{1, 3}
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
			label := plot.Tick{Value: v, Label: plainLabel(v)}
			if i := indexOf(out, v); i >= 0 {
				out[i] = label
			} else {
				out = append(out, label)
			}
		}
	}
	return out
}

// doublings ticks a logarithmic axis at powers of two, the last of which has a label.
type doublings struct{ most int }

// Ticks implements plot.Ticker.
func (d doublings) Ticks(low, high float64) []plot.Tick {
	var out []plot.Tick
	if !(low > 0) || !(high > low) {
		return nil
	}
	first, last := int(math.Ceil(math.Log2(low)-1e-9)), int(math.Floor(math.Log2(high)+1e-9))
	every := max(1, int(math.Ceil(float64(last-first+1)/float64(min(max(d.most, 2), 10)))))
	for e := first; e <= last; e++ {
		t := plot.Tick{Value: math.Exp2(float64(e))}
		if (last-e)%every == 0 {
			t.Label = binaryLabel(t.Value)
		}
		out = append(out, t)
	}
	return out
}

// binaryLabel writes 32,768 as 32Ki.
func binaryLabel(v float64) string {
	if v >= 1 {
		return study.Tokens(int(v))
	}
	return plainLabel(v)
}

func indexOf(ts []plot.Tick, v float64) int {
	for i, t := range ts {
		if math.Abs(t.Value-v) < 1e-9*v {
			return i
		}
	}
	return -1
}
