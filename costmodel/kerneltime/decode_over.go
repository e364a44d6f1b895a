package kerneltime

import "math"

// DecodeOver is decode attention of one shape and batch over contexts yet to be told. All that
// depends on neither the context nor the keys seen is worked out once, the corrections along
// the context too, so that a question costs a tenth of DecodeSeconds. It gives what that
// gives, up to rounding, and may be shared.
type DecodeOver struct {
	shape  DecodeAttention
	p      *Profile // asked where the corrections are not as Over expects
	window float64
	halves []decodeHalf // without a window one, else within it and past it
}

// mostNodes bounds how many contexts the corrections have; the profiles have 17.
const mostNodes = 20

// decodeHalf is a decodeCurve with all but the keys worked out; its formula is there.
type decodeHalf struct {
	fixed, perKey       float64 // launch, sequences, heads; arithmetic
	share               float64 // splits of a block that fill the GPU once
	perChunk, combine   float64
	start, perRow       float64
	bytes, full         float64 // of a key of all sequences; over what stays in the cache
	fromCache, fromDRAM float64 // seconds per byte
	lo                  float64 // log2 of the context of the first node
	n                   int
	nodes               [mostNodes]float64 // corrections in the logarithm, by octaves of the context
	atWindow            float64            // uncorrected seconds with the window full
}

// DecodeOver prepares decode attention of a shape, whose Context and Seen are not read.
func (p *Profile) DecodeOver(s DecodeAttention) DecodeOver {
	m := p.decode.get()
	o := DecodeOver{shape: s, p: p, window: s.Window}
	contexts := []float64{1}
	if s.Window > 0 {
		contexts = []float64{s.Window, s.Window + 1}
	}
	a := axis{N: 1} // of a device too far from those measured to have corrections
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

// along adds a table's values along its last axis to dst, which has one for each node: At with
// x's last coordinate at each.
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
		if w == 0 { // also past the last node
			continue
		}
		for k := range dst {
			dst[k] += w * float64(t.Values[at+k*t.Stride[axes-1]])
		}
	}
}

// curve works out what of a curve's formula does not depend on the keys.
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

// seconds is decodeCurve.seconds.
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

// correct is the correction at a context.
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

// Seconds is DecodeSeconds at a context of which so many positions are seen.
func (o *DecodeOver) Seconds(context, seen float64) float64 {
	if len(o.halves) == 0 {
		s := o.shape
		s.Context, s.Seen = context, seen
		return o.p.DecodeSeconds(&s)
	}
	h := &o.halves[0]
	if o.window > 0 && context > o.window {
		h = &o.halves[1]
		if seen == o.window {
			return h.atWindow * math.Exp(h.correct(context))
		}
	}
	return h.seconds(seen) * math.Exp(h.correct(context))
}
