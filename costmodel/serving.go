package costmodel

// ServedTPOT is the predicted mean time in seconds per output token when concurrency
// requests of a prompt and generate tokens are always in flight: the mean step of all of
// them, and the prompts of the others worked in between (continuous batching). Calibrated
// only; the engine's figures say how much of a prompt's time running requests feel.
func (c *Compiled) ServedTPOT(prompt, generate, concurrency int) float64 {
	step := c.Generation(Calibrated, concurrency, prompt, generate) / float64(generate)
	if _, measured := c.calibrated().(*calibrated); prompt == 0 || !measured {
		return step
	}
	one := c.Prefill(Calibrated, 1, prompt).Seconds
	return step + c.engine.Interleave*float64(concurrency-1)*one/float64(generate)
}

// Launches is how many kernels a decode step launches in calibrated times, how many of them
// stream, and how many stream in a prefill.
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
