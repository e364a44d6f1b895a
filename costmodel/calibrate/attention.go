package calibrate

import "math"

// decodeCurve is the physics of one decode step of attention over caches of one number
// format. Each KV head of each sequence is a block of work that reads its keys and
// values once; where blocks leave units idle, its keys are split over several, each of
// Chunk keys at least:
//
//	blocks = batch · kv_heads · ⌈group/GroupRows⌉
//	splits = clamp(units · Occupancy / blocks, 1, visible / Chunk)
//	path   = waves · (Start + visible/splits · head_dim · 2 · bytes / (Stream · BW/units))
//	memory = bytes / (BW · (Bandwidth or, the cache's share of it, CacheRate))
//	t      = Launch + (path⁴ + memory⁴)^(1/4) + FLOPs / (Peak·PEAK) + batch · heads · Query
//
// The working set stays in the last-level cache, between repeated steps, with
// probability 1 / (1 + (bytes / (Resident · cache))⁴).
type decodeCurve struct {
	Launch    float64 `json:"launch_seconds"`
	Start     float64 `json:"block_start_seconds"`
	Stream    float64 `json:"stream_multiple"`
	Bandwidth float64 `json:"bandwidth_fraction"`
	CacheRate float64 `json:"cache_multiple"`
	Resident  float64 `json:"resident_fraction"`
	Occupancy float64 `json:"blocks_per_unit"`
	Chunk     float64 `json:"split_keys"`
	Combine   float64 `json:"combine_seconds"`
	Query     float64 `json:"query_head_seconds"`
	Peak      float64 `json:"peak_fraction"`
}

func newDecodeCurve() decodeCurve {
	return decodeCurve{
		Launch: 9e-6, Start: 1e-6, Stream: 2, Bandwidth: 0.8, CacheRate: 1.6, Resident: 0.7,
		Occupancy: 1.5, Chunk: 256, Combine: 1e-6, Query: 1e-10, Peak: 0.3,
	}
}

func (c *decodeCurve) params() []*float64 {
	return []*float64{
		&c.Launch, &c.Start, &c.Stream, &c.Bandwidth, &c.CacheRate, &c.Resident,
		&c.Occupancy, &c.Chunk, &c.Combine, &c.Query, &c.Peak,
	}
}

// seconds returns the time of a step on d.
func (c *decodeCurve) seconds(d *device, s *DecodeAttention, format int) float64 {
	elem := 2.0
	if format == 1 {
		elem = 1
	}
	keys := s.Visible()
	blocks := s.Batch * s.KVHeads
	slots := d.Units * c.Occupancy
	splits := min(slots/blocks, keys/c.Chunk)
	t := c.Launch
	if splits > 1 {
		t += c.Combine * (1 - 1/splits)
	} else {
		splits = 1
	}
	waves := max(1, blocks*splits/slots)
	stream := d.Bandwidth / d.Units
	row := 2 * elem * s.HeadDim
	path := waves * (c.Start + keys/splits*row/(c.Stream*stream))
	bytes := blocks * keys * row
	full := bytes / (c.Resident * d.Cache)
	full *= full
	hit := 1 / (1 + full*full)
	memory := bytes / d.Bandwidth * (hit/c.CacheRate + (1-hit)/c.Bandwidth)
	t += blend(path, memory)
	t += s.Batch * s.Heads * (c.Query + 4*s.HeadDim*keys/(c.Peak*d.Peak[0]))
	return t
}

// prefillCurve is the physics of causal attention over a prompt. Queries are taken
// Rows at a time; each such block walks the keys before it, so the last block is the
// longest path and the sum of all is the work:
//
//	rate   = Peak · PEAK/units · head_dim / (head_dim + Narrow)
//	path   = Start + 4 · Rows · head_dim · min(P, window + Rows) / rate
//	work   = 4 · batch · heads · head_dim · (pairs + P · Rows/2) / (rate · units)
//	memory = bytes / (Bandwidth · BW)
//	t      = Launch + (path⁴ + work⁴)^(1/4) + memory + waves · Start
type prefillCurve struct {
	Launch    float64 `json:"launch_seconds"`
	Start     float64 `json:"block_start_seconds"`
	Peak      float64 `json:"peak_fraction"`
	Narrow    float64 `json:"narrow_head_dim"`
	Rows      float64 `json:"block_rows"`
	Bandwidth float64 `json:"bandwidth_fraction"`
}

func newPrefillCurve() prefillCurve {
	return prefillCurve{Launch: 9e-6, Start: 1e-6, Peak: 0.7, Narrow: 16, Rows: 96, Bandwidth: 0.7}
}

func (c *prefillCurve) params() []*float64 {
	return []*float64{&c.Launch, &c.Start, &c.Peak, &c.Narrow, &c.Rows, &c.Bandwidth}
}

// seconds returns the time of a prompt on d.
func (c *prefillCurve) seconds(d *device, s *PrefillAttention) float64 {
	rate := c.Peak * d.Peak[0] / d.Units * s.HeadDim / (s.HeadDim + c.Narrow)
	keys := s.Prompt
	if s.Window > 0 {
		keys = min(keys, s.Window+c.Rows)
	}
	blocks := s.Batch * s.Heads * math.Ceil(s.Prompt/c.Rows)
	path := 4 * c.Rows * s.HeadDim * keys / rate
	work := 4 * s.Batch * s.Heads * s.HeadDim * (s.Pairs() + s.Prompt*c.Rows/2) / (rate * d.Units)
	start := c.Start * max(1, blocks/d.Units)
	return c.Launch + start + blend(path, work) + s.Bytes()/(c.Bandwidth*d.Bandwidth)
}
