package kerneltime

import "math"

// scanCurve is the physics of one kernel. Each kind of kernel has a formula of its own and uses
// some of these parameters.
type scanCurve struct {
	Launch    float64    `yaml:"launch_seconds"`
	Start     float64    `yaml:"block_start_seconds"`
	Token     float64    `yaml:"token_seconds"`
	Bandwidth float64    `yaml:"bandwidth_fraction"`
	Peak      float64    `yaml:"peak_fraction"`
	Square    float64    `yaml:"square_peak_fraction"` // of the products within a chunk
	Shared    float64    `yaml:"shared_peak_fraction"` // of the products that the heads of a group share
	Occupancy float64    `yaml:"blocks_per_unit"`
	Pass      float64    `yaml:"pass_seconds"`
	Pieces    [5]float64 `yaml:"piece_seconds,flow"` // seconds for pieces of 128, 256 … 2,048 tokens
	Fixed     float64    `yaml:"stateless_fraction"`
	Tail      float64    `yaml:"tail_blocks"`
	Ragged    [5]float64 `yaml:"ragged_factors,flow"` // factors for ragged lengths, with pieces of 128, 256 … 2,048 tokens
}

func newScanCurve() scanCurve {
	return scanCurve{
		Launch: 2e-6, Start: 1e-6, Token: 1e-9, Bandwidth: 0.7, Peak: 0.3, Square: 0.3, Shared: 0.3, Occupancy: 8, Pass: 1e-8,
		Pieces: [5]float64{4e-7, 5e-7, 1e-6, 2e-6, 4e-6}, Fixed: 0.3, Tail: 2, Ragged: [5]float64{1.5, 1.6, 1.6, 1.6, 1.6},
	}
}

// params lists the parameters in the formula of a kernel.
func (c *scanCurve) params(k ScanKernel) []Param {
	p := []Param{{&c.Launch, 0}, {&c.Bandwidth, 1}}
	switch {
	case k <= Mamba1GatedScan:
		for i := range c.Pieces {
			p = append(p, Param{&c.Pieces[i], 0})
		}
		for i := range c.Ragged {
			p = append(p, Param{&c.Ragged[i], 0})
		}
		return append(p, Param{&c.Fixed, 1}, Param{&c.Tail, 0})
	case k == RuleScan:
		return append(p, Param{&c.Peak, 1}, Param{&c.Square, 1}, Param{&c.Occupancy, 0}, Param{&c.Pass, 0})
	case k == SSDScan:
		return append(p, Param{&c.Peak, 1}, Param{&c.Square, 1}, Param{&c.Shared, 1}, Param{&c.Occupancy, 0}, Param{&c.Pass, 0})
	}
	p = append(p, Param{&c.Start, 0}, Param{&c.Token, 0}, Param{&c.Peak, 1}, Param{&c.Occupancy, 0})
	if k == ConvFirstScan {
		p = append(p, Param{&c.Ragged[0], 0})
	}
	return p
}

func (c *scanCurve) seconds(d *Device, s *Scan) float64 {
	switch {
	case s.Kernel <= Mamba1GatedScan:
		return c.selective(d, s)
	case s.Kernel == SSDScan:
		return c.chunked(d, s)
	case s.Kernel == RuleScan:
		return c.corrected(d, s)
	}
	return c.walked(d, s)
}

// walked is a step, or a convolution. Blocks of threads walk their tokens, in waves over the
// units:
//
//	path   = max(1, blocks / (units · Occupancy)) · (Start + walk · Token) · (Ragged where it is)
//	memory = bytes / (Bandwidth · BW)
//	t      = Launch + (path⁴ + memory⁴)^(1/4) + FLOPs / (Peak · PEAK)
func (c *scanCurve) walked(d *Device, s *Scan) float64 {
	path := max(1, s.blocks()/(d.Units*c.Occupancy)) * (c.Start + s.walk()*c.Token)
	if s.ragged() {
		path *= c.Ragged[0]
	}
	return c.Launch + blend(path, s.Bytes()/(c.Bandwidth*d.Bandwidth)) + s.FLOPs()/(c.Peak*d.Peak[0])
}

// selective is Mamba-1's scan of a prompt. A block of threads works all of a channel of a
// sequence, piece after piece; a unit works several blocks at once, and the last of them alone:
//
//	work   = pieces · Pieces[length] · (Fixed + (1 − Fixed) · state/16) · (Ragged[length] where it is)
//	path   = (blocks/units + Tail) · work
//	memory = bytes / (Bandwidth · BW)
//	t      = Launch + (path⁴ + memory⁴)^(1/4)
func (c *scanCurve) selective(d *Device, s *Scan) float64 {
	i, pieces, ragged := s.pieces()
	work := pieces * c.Pieces[i] * (c.Fixed + (1-c.Fixed)*s.State/16)
	if ragged {
		work *= c.Ragged[i]
	}
	return c.Launch + blend((s.blocks()/d.Units+c.Tail)*work, s.Bytes()/(c.Bandwidth*d.Bandwidth))
}

// chunked is Mamba-2's scan of a prompt: five kernels in a row, which write and read the states
// between chunks and the products C·B of each chunk. Chunks are worked whole:
//
//	moved  = activations + chunks · channels · state · (8 + 2 · bytes) + 8 · padded · chunk · groups
//	across = 4 · padded · channels · state
//	within = padded · chunk · channels
//	shared = padded · chunk · groups · state
//	work   = moved / (Bandwidth · BW) + across / (Peak · PEAK) + within / (Square · PEAK) + shared / (Shared · PEAK)
//	t      = (Launch² + (work · max(1, units · Occupancy / blocks))²)^(1/2) + chunks of a sequence · Pass
func (c *scanCurve) chunked(d *Device, s *Scan) float64 {
	chunk := max(1, s.Chunk)
	each := math.Ceil(s.Tokens / chunk)
	chunks := s.Batch * each
	padded, tokens, channels := chunks*chunk, s.Batch*s.Tokens, s.Channels()
	moved := tokens*(6*channels+8*s.Groups*s.State+16*s.Heads) + chunks*channels*s.State*(8+2*s.stateBytes()) + 8*padded*chunk*s.Groups
	across := 4 * padded * channels * s.State
	within, shared := padded*chunk*channels, padded*chunk*s.Groups*s.State
	work := moved/(c.Bandwidth*d.Bandwidth) + (across/c.Peak+within/c.Square+shared/c.Shared)/d.Peak[0]
	work *= max(1, d.Units*c.Occupancy/s.blocks())
	return math.Hypot(c.Launch, work) + each*c.Pass
}

// ruleChunk is how many tokens the chunked delta rule works at once.
const ruleChunk = 64

// corrected is the gated delta rule over a prompt, in chunks: kernels that norm keys and queries,
// multiply keys within a chunk and invert the triangle, correct keys and values by it, carry the
// state from chunk to chunk, and give the output. All but the carrying work chunks side by side;
// chunks of a sequence are carried one after the other, in a block of threads for each 64 values
// of a head:
//
//	moved  = tokens · (12 · channels + 4 · heads · keys + 14 · groups · keys + 512 · heads) + channels · keys · (4 · chunks + 4 · batch)
//	across = 6 · padded · channels · keys
//	within = padded · 64 · (4 · channels + 6 · heads · keys)
//	path   = chunks of a sequence · Pass · max(1, blocks / (units · Occupancy))
//	t      = (Launch² + (moved / (Bandwidth · BW) + across / (Peak · PEAK) + within / (Square · PEAK) + path)²)^(1/2)
func (c *scanCurve) corrected(d *Device, s *Scan) float64 {
	each := math.Ceil(s.Tokens / ruleChunk)
	chunks := s.Batch * each
	padded, tokens, channels := chunks*ruleChunk, s.Batch*s.Tokens, s.Channels()
	moved := tokens*(12*channels+4*s.Heads*s.State+14*s.Groups*s.State+512*s.Heads) + channels*s.State*(4*chunks+4*s.Batch)
	across, within := 6*padded*channels*s.State, padded*ruleChunk*(4*channels+6*s.Heads*s.State)
	path := each * c.Pass * max(1, s.Batch*channels/64/(d.Units*c.Occupancy))
	return math.Hypot(c.Launch, moved/(c.Bandwidth*d.Bandwidth)+(across/c.Peak+within/c.Square)/d.Peak[0]+path)
}
