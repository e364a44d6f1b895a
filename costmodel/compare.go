package costmodel

// Row is one deployment of a comparison.
type Row struct {
	Compiled *Compiled
	Estimate
	// Roofline is the same workload without measurements, nil unless the estimate is
	// calibrated.
	Roofline *Estimate
	// Speculative is the same workload with speculative decoding, where that was asked for.
	Speculative *Speculative
	// TokensPerSecondAtMax is the decode throughput in tokens/s of the largest batch that fits, 0
	// where none does.
	TokensPerSecondAtMax float64
	// Speedup is the decode throughput divided by the baseline's, each at its own batch.
	Speedup float64
}

// Compare prices several deployments; the first is the baseline. With batch 0 in the
// workload each runs the largest batch that fits it.
func Compare(cs []*Compiled, f Fidelity, w Workload) ([]Row, error) {
	rows := make([]Row, 0, len(cs))
	for _, c := range cs {
		load, _ := c.Fill(w)
		e, err := c.Estimate(f, load)
		if err != nil {
			return nil, err
		}
		r := Row{Compiled: c, Estimate: e, Speedup: 1}
		if e.Fidelity == Calibrated {
			roofline, err := c.Estimate(Roofline, load)
			if err != nil {
				return nil, err
			}
			r.Roofline = &roofline
		}
		if n := e.Memory.MaxBatch; n > 0 {
			r.TokensPerSecondAtMax = float64(n) * float64(w.Generate) / c.At(f).Generation(load.WithBatch(n))
		}
		if len(rows) > 0 {
			r.Speedup = r.Decode.TokensPerSecond / rows[0].Decode.TokensPerSecond
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// Bounds lists what can bind, in a fixed order.
func Bounds() []Bound {
	out := make([]Bound, numBounds)
	for i := range out {
		out[i] = Bound(i)
	}
	return out
}
