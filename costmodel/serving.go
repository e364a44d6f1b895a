package costmodel

// ServedTPOT returns the predicted mean time in seconds per output token when Batch requests of
// the workload are always in flight (continuous batching): the mean step of all of them, plus the
// prompts of other requests that are processed between steps. It uses calibrated times; figures of
// the engine say how much of a prompt's time running requests notice.
func (c *Compiled) ServedTPOT(w Workload) float64 {
	at := c.At(Calibrated)
	step := at.Generation(w) / float64(w.Generate)
	if w.Prompt == 0 || at.Basis() == DatasheetOnly {
		return step
	}
	concurrency, one := c.perGroup(w).Batch, at.Prefill(w.WithBatch(1))
	return step + c.engine.Interleave*float64(concurrency-1)*one/float64(w.Generate)
}

// Launches returns, as calibrated times count them, how many kernels a decode step launches, how
// many of these only stream, and how many of a prefill's kernels only stream.
func (c *Compiled) Launches() (step, streams, promptStreams float64) {
	k, ok := c.calibrated().(*calibrated)
	if !ok {
		return 0, 0, 0
	}
	for _, ks := range [][]kernel{k.fixed, k.streams, k.vary} {
		for i := range ks {
			step += ks[i].layers * ks[i].launches
			if ks[i].price == asStream {
				streams += ks[i].layers
			}
		}
	}
	for i := range k.prefill {
		if k.prefill[i].price == asStream {
			promptStreams += k.prefill[i].layers
		}
	}
	return step, streams, promptStreams
}
