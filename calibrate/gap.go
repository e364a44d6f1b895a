package calibrate

import (
	"sort"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
)

// EagerGap returns how much longer a kernel takes when it is launched by itself and not from a
// CUDA graph, in seconds. It is a median over tables of all-reduces and numbers of GPUs of the
// difference at the smallest message that was timed in both ways. ok is false where there is no
// such pair.
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
		least := map[key]float64{} // smallest message for each file and number of GPUs, with its gap
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
