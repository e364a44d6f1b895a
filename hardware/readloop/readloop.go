// Package readloop reads memory as fast as plain vector loads do, on all cores: what
// streaming kernels are held against.
package readloop

import "sync"

// Bytes reads x once, split over cores, and returns something that depends on all of it.
func Bytes(x []float32, cores int) float32 {
	const piece = 1 << 16 // floats
	n := (len(x) + piece - 1) / piece
	sums := make([]float32, cores)
	var wg sync.WaitGroup
	for c := range cores {
		wg.Go(func() {
			for i := n * c / cores; i < n*(c+1)/cores; i++ {
				sums[c] += sum(x[i*piece : min(len(x), (i+1)*piece)])
			}
		})
	}
	wg.Wait()
	var s float32
	for _, v := range sums {
		s += v
	}
	return s
}
