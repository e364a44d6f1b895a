// Package readloop reads memory as fast as plain vector loads do, on all cores: what
// streaming kernels are held against.
package readloop

import (
	"sync"
	"sync/atomic"
)

// Bytes reads x once on all cores and returns something that depends on all of it.
// Cores claim pieces as they go, so that one which is busy elsewhere holds up no other.
func Bytes(x []float32, cores int) float32 {
	const piece = 1 << 16 // floats
	n := (len(x) + piece - 1) / piece
	var next atomic.Int64
	sums := make([]float32, cores)
	var wg sync.WaitGroup
	for c := range cores {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
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
