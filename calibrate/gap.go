package calibrate

import (
	"sort"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// EagerGap is what a kernel costs more when it is launched by itself instead of from a
// CUDA graph: the median, over tables of all-reduces and counts of GPUs, of the
// difference at the smallest message timed both ways. ok is false without such a pair.
func EagerGap(tables []Table) (seconds float64, ok bool) {
	type key struct {
		file        string
		gpus, bytes float64
	}
	var gaps []float64
	for _, t := range tables {
		if t.Class != kerneltime.ClassAllReduce {
			continue
		}
		graph := map[key]float64{}
		for _, r := range t.Rows {
			if s := r.Shape.(*kerneltime.AllReduce); !s.Eager {
				graph[key{t.File, s.GPUs, s.Bytes}] = r.Seconds
			}
		}
		least := map[key]float64{} // smallest message of each (file, GPUs), and its gap
		gap := map[key]float64{}
		for _, r := range t.Rows {
			s := r.Shape.(*kerneltime.AllReduce)
			if !s.Eager {
				continue
			}
			g, both := graph[key{t.File, s.GPUs, s.Bytes}]
			k := key{t.File, s.GPUs, 0}
			if b, seen := least[k]; both && (!seen || s.Bytes < b) {
				least[k], gap[k] = s.Bytes, max(r.Seconds-g, 0)
			}
		}
		for _, g := range gap {
			gaps = append(gaps, g)
		}
	}
	if len(gaps) == 0 {
		return 0, false
	}
	sort.Float64s(gaps)
	return Significant(quantile(gaps, 0.5), 2), true
}
