package calibrate

import "math"

// recurrentCurve is the physics of one recurrent kernel: blocks of work (sequences ×
// heads, or sequences × channels / 128 for the convolutions) that walk their tokens in
// chunks of 64,
//
//	path   = waves · ⌈tokens/64⌉ · Chunk
//	memory = bytes / (Bandwidth · BW)
//	t      = Launch + (path⁴ + memory⁴)^(1/4) + FLOPs / (Peak · PEAK)
type recurrentCurve struct {
	Launch    float64 `json:"launch_seconds"`
	Chunk     float64 `json:"chunk_seconds"`
	Bandwidth float64 `json:"bandwidth_fraction"`
	Peak      float64 `json:"peak_fraction"`
	Occupancy float64 `json:"blocks_per_unit"`
}

func newRecurrentCurve() recurrentCurve {
	return recurrentCurve{Launch: 3e-6, Chunk: 1e-6, Bandwidth: 0.6, Peak: 0.2, Occupancy: 1}
}

func (c *recurrentCurve) params() []*float64 {
	return []*float64{&c.Launch, &c.Chunk, &c.Bandwidth, &c.Peak, &c.Occupancy}
}

// seconds returns the time of one call on d.
func (c *recurrentCurve) seconds(d *device, s *Recurrent) float64 {
	blocks := s.Batch * s.ValueHeads
	chunks := math.Ceil(s.Tokens / 64)
	switch s.Kernel {
	case DeltaConvContext, DeltaConvStep, MambaConvContext, MambaConvStep:
		blocks = s.Batch * s.Channels() / 128 * chunks
		chunks = 1
	}
	waves := max(1, blocks/(d.Units*c.Occupancy))
	path := waves * chunks * c.Chunk
	memory := s.Bytes() / (c.Bandwidth * d.Bandwidth)
	return c.Launch + blend(path, memory) + s.FLOPs()/(c.Peak*d.Peak[0])
}
