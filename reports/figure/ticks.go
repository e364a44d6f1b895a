package figure

import (
	"math"
	"strconv"

	"gonum.org/v1/plot/vg"

	"github.com/OWNER/ridgeline/study"
	"github.com/OWNER/ridgeline/units"
)

// tick is a mark on an axis; one without a label is short.
type tick struct {
	value float64
	label string
}

// ticker chooses the ticks of an axis from its range.
type ticker interface {
	ticks(low, high float64) []tick
}

// tickerFor leaves labels enough room along an axis of that length.
func tickerFor(a axis, room vg.Length) ticker {
	switch a.scale {
	case study.Log10:
		return decades{int(room / 30)}
	case study.Log2:
		return doublings{int(room / 34), a.lengths}
	}
	return linear{int(room / 34)}
}

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

func (l linear) ticks(low, high float64) []tick {
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
	var out []tick
	for i := math.Ceil(low / step); i*step <= high*(1+1e-9)+1e-12*step; i++ {
		v := round(i*step) + 0 // no negative zero
		out = append(out, tick{v, plainLabel(v)})
	}
	return out
}

// decades ticks a logarithmic axis: at powers of ten, between them where there are few,
// labelled as far as at most most labels allow.
type decades struct{ most int }

func (d decades) ticks(low, high float64) []tick {
	if !(low > 0) || !(high > low) {
		return nil
	}
	span := math.Log10(high / low)
	most := float64(min(max(d.most, 2), 8))
	every := max(1, int(math.Ceil(span/most)))
	marks := []float64{1}
	switch {
	case high < 2.5*low: // too little of a decade for its round numbers
		return linear{6}.ticks(low, high)
	case 7*span <= most:
		marks = []float64{1, 1.5, 2, 3, 4, 5, 7}
	case 3*span <= most:
		marks = []float64{1, 2, 5}
	case 2*span <= most:
		marks = []float64{1, 3}
	}
	var out []tick
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for m := 1.0; m < 10; m++ {
			v := m * math.Pow(10, e)
			if v >= low*(1-1e-9) && v <= high*(1+1e-9) {
				out = append(out, tick{value: v})
			}
		}
		for _, m := range marks {
			v := m * math.Pow(10, e)
			if v < low*(1-1e-9) || v > high*(1+1e-9) || int(e)%every != 0 {
				continue
			}
			label := tick{v, plainLabel(v)}
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
// Lengths in tokens are labelled as such, 32Ki, other counts in full.
type doublings struct {
	most    int
	lengths bool
}

func (d doublings) ticks(low, high float64) []tick {
	var out []tick
	if !(low > 0) || !(high > low) {
		return nil
	}
	first, last := int(math.Ceil(math.Log2(low)-1e-9)), int(math.Floor(math.Log2(high)+1e-9))
	every := max(1, int(math.Ceil(float64(last-first+1)/float64(min(max(d.most, 2), 10)))))
	for e := first; e <= last; e++ {
		t := tick{value: math.Exp2(float64(e))}
		if (last-e)%every == 0 {
			if t.label = plainLabel(t.value); d.lengths {
				t.label = binaryLabel(t.value)
			}
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

func indexOf(ts []tick, v float64) int {
	for i, t := range ts {
		if math.Abs(t.value-v) < 1e-9*v {
			return i
		}
	}
	return -1
}
