package kerneltime

import "math"

// DecodeOver prices decode attention of one shape and batch at any context. Everything that does
// not depend on the context or on the keys read is worked out once, and so are the corrections at
// all contexts, so that one price takes a tenth of the time of DecodeSeconds. It gives the same
// result up to rounding. Goroutines may share it.
type DecodeOver struct {
	shape  DecodeAttention
	p      *Profile // asked where the corrections have another form than this type handles
	window float64
	halves []decodeHalf // one without a window; with one, the first for contexts within it, the second for those beyond
}

// mostNodes is the largest number of contexts at which corrections are kept; the profiles have
// 17.
const mostNodes = 20

// decodeHalf is a decodeCurve with everything worked out except for the keys; its formula stands
// there.
type decodeHalf struct {
	fixed, perKey       float64 // seconds for launch, sequences and heads; seconds of arithmetic for each key
	share               float64 // number of splits of a block that fills the GPU once
	perChunk, combine   float64
	start, perRow       float64
	bytes, full         float64 // bytes for one key of every sequence; the same divided by what stays in the cache
	fromCache, fromDRAM float64 // seconds per byte
	lo                  float64 // log2 of the first node's context
	n                   int
	nodes               [mostNodes]float64 // logarithms of the corrections, at each node of the context
	atWindow            float64            // seconds with the window full, without correction
}

// DecodeOver prepares prices of decode attention of a shape; the shape's Context and Seen are not
// used.
func (p *Profile) DecodeOver(s DecodeAttention) DecodeOver {
	m := p.decode.get()
	o := DecodeOver{shape: s, p: p, window: s.Window}
	contexts := []float64{1}
	if s.Window > 0 {
		contexts = []float64{s.Window, s.Window + 1}
	}
	a := axis{N: 1} // for a device too unlike those measured to have corrections
	for i := range m.Corrections {
		t := &m.Corrections[i]
		if len(t.Values) == 0 {
			continue
		}
		b := t.Axes[axes-1]
		if b.PerOctave != 1 || b.N < 2 || b.N > mostNodes || a.N > 1 && a != b {
			return o
		}
		a = b
	}
	o.halves = make([]decodeHalf, len(contexts))
	for i, n := range contexts {
		s.Context = n
		h := &o.halves[i]
		h.curve(&m.Curves[m.curve(&s)], &p.device, &s)
		h.lo, h.n = a.Lo, a.N
		for j := range m.Corrections {
			slice, x := m.locate(j, &s)
			m.Corrections[j].along(slice, &x, h.nodes[:a.N])
		}
		h.atWindow = h.seconds(s.Window)
	}
	return o
}

// along adds to dst the values of a table along its last axis: for each node what At returns with
// the last coordinate of x there.
func (t *Table) along(s int, x *[axes]float64, dst []float64) {
	if len(t.Values) == 0 {
		return
	}
	var idx [axes - 1]int
	var f [axes - 1]float64
	for a := range axes - 1 {
		idx[a], f[a] = t.Axes[a].locate(x[a])
	}
	for m := range 1 << (axes - 1) {
		w, at := 1.0, s*t.Slice
		for a := range axes - 1 {
			i, g := idx[a], 1-f[a]
			if m>>a&1 == 1 {
				i, g = i+1, f[a]
			}
			w *= g
			at += i * t.Stride[a]
		}
		if w == 0 { // also where x is beyond the last node
			continue
		}
		for k := range dst {
			dst[k] += w * float64(t.Values[at+k*t.Stride[axes-1]])
		}
	}
}

// curve works out the parts of a curve's formula that do not depend on the keys.
func (h *decodeHalf) curve(c *decodeCurve, d *Device, s *DecodeAttention) {
	blocks := s.Batch * s.KVHeads
	row := 2 * s.KVDType.Bytes() * s.HeadDim
	wide := s.HeadDim / c.Wide
	h.fixed = c.Launch + s.Batch*(c.Sequence+s.Heads*c.Query)
	if s.Batch > 1 && s.KVHeads > 1 && s.Heads > s.KVHeads {
		h.fixed += c.Repack
	}
	h.perKey = s.Batch * s.Heads * 4 * s.HeadDim / (c.Peak * d.Peak[0])
	h.share = d.Units * c.Occupancy / blocks
	h.perChunk, h.combine = 1/c.Chunk, c.Combine
	h.start, h.perRow = c.Start, row*(1+wide*wide)/c.Stream
	h.bytes = blocks * row
	h.full = h.bytes / (c.Resident * d.Cache)
	h.fromCache, h.fromDRAM = 1/(c.CacheRate*d.Units), 1/(c.Bandwidth*d.Bandwidth)
}

// seconds returns what decodeCurve.seconds does.
func (h *decodeHalf) seconds(keys float64) float64 {
	splits := min(h.share, keys*h.perChunk)
	t := h.fixed + h.perKey*keys
	if splits > 1 {
		t += h.combine * (1 - 1/splits)
	} else {
		splits = 1
	}
	path := max(1, splits/h.share) * (h.start + keys/splits*h.perRow)
	full := h.full * keys
	full *= full
	hit := 1 / (1 + full*full)
	return t + blend(path, h.bytes*keys*(hit*h.fromCache+(1-hit)*h.fromDRAM))
}

// correct returns the correction at a context, as a factor.
func (h *decodeHalf) correct(context float64) float64 {
	c := log2(context) - h.lo
	if !(c > 0) {
		return h.nodes[0]
	}
	i := int(c)
	if i >= h.n-1 {
		return h.nodes[h.n-1]
	}
	return h.nodes[i] + (c-float64(i))*(h.nodes[i+1]-h.nodes[i])
}

// Seconds returns the time at a context of which seen positions are read, in seconds.
func (o *DecodeOver) Seconds(context, seen float64) float64 {
	if len(o.halves) == 0 {
		s := o.shape
		s.Context, s.Seen = context, seen
		return o.p.DecodeSeconds(&s)
	}
	whole := &o.halves[0]
	if !hides(context, o.window) {
		return whole.seconds(seen) * math.Exp(whole.correct(context))
	}
	h := &o.halves[1]
	t := h.atWindow
	if seen != o.window {
		t = h.seconds(seen)
	}
	return min(t*math.Exp(h.correct(context)), hiding*whole.seconds(context)*math.Exp(whole.correct(context)))
}
