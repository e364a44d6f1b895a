package crosscheck

import (
	"context"
	"time"

	"ridgeline/kernels/internal/readloop"
)

// readBandwidth is the bytes a second that plain vector loads reach on all cores, over
// 256 MiB.
func readBandwidth(ctx context.Context, cores, repeats int) (float64, error) {
	x := make([]float32, 64<<20)
	for i := range x {
		x[i] = float32(i & 255)
	}
	var times []float64
	for range max(5, repeats) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		t := time.Now()
		readloop.Bytes(x, cores)
		times = append(times, time.Since(t).Seconds())
	}
	return float64(4*len(x)) / median(times), nil
}
