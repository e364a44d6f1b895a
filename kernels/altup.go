package kernels

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// streams holds the residual streams of a model that has several (arch.AltUp), during a call.
type streams struct {
	arch.AltUp
	s []mat
}

// altUpEnds holds the maps between the one stream of embedding and head and the several streams
// of the layers; each map is a part of one matrix.
type altUpEnds struct {
	arch.AltUp
	in, out linear
}

func (m *Model) newAltUpEnds() altUpEnds {
	a, w := m.arch.AltUp, m.arch.Width
	others := max(a.Streams-1, 0) * w
	return altUpEnds{AltUp: a, in: m.linear("altup_in", others, w), out: m.linear("altup_out", others, w)}
}

// split makes the streams from the token's embedding.
func (e *altUpEnds) split(c *call) {
	if !e.There() {
		return
	}
	rows, w := c.x.rows, c.x.cols
	others := newMat(make([]float32, rows*e.in.out), rows, e.in.out)
	c.op("altup.in", func(t *tally) { c.r.linear(t, e.in, c.x, others, epilogue{}) })
	// The embedding stays where it was written and is the first stream, so no further bytes are
	// moved.
	c.streams = streams{e.AltUp, []mat{newMat(append([]float32(nil), c.x.data[:rows*w]...), rows, w)}}
	for i := range e.Streams - 1 {
		c.streams.s = append(c.streams.s, others.part(i*w, w))
	}
	c.op("altup.in_scale", func(t *tally) {
		for i := range rows {
			want := t.magnitude(c.x.row(i))
			for _, s := range c.streams.s[1:] {
				t.bringTo(want, s.row(i))
				t.write(Activations, w)
			}
		}
	})
}

// join makes one stream from the last rows of all streams.
func (e *altUpEnds) join(c *call, x mat) mat {
	if !e.There() {
		return x
	}
	w := x.cols
	c.streams.cut(x.rows)
	all := c.mat(x.rows, e.out.out)
	c.op("altup.out", func(t *tally) {
		for i, s := range c.streams.s[1:] {
			c.r.linear(t, e.out.part(i*w, (i+1)*w), s, all.part(i*w, w), epilogue{})
		}
	})
	sum := c.mat(x.rows, w)
	c.op("altup.join", func(t *tally) {
		for i := range x.rows {
			first, to := c.streams.s[0].row(i), sum.row(i)
			want := t.magnitude(first)
			copy(to, first)
			for at := 0; at < e.out.out; at += w {
				other := all.row(i)[at : at+w]
				t.bringTo(want, other)
				for j, v := range other {
					to[j] += v
				}
				t.flops(w)
			}
			f := 1 / float32(e.Streams)
			for j := range to {
				to[j] *= f
			}
			t.flops(w)
			t.write(Activations, w)
		}
	})
	return sum
}

// magnitude returns the square root of a row's mean square.
func (t *tally) magnitude(x []float32) float64 {
	t.read(Activations, len(x))
	_, sq := moments(x, 0)
	t.flops(2 * len(x))
	return math.Sqrt(float64(sq) / float64(len(x)))
}

// bringTo scales a row to a magnitude; a row near zero is scaled less.
func (t *tally) bringTo(want float64, x []float32) {
	t.read(Activations, len(x))
	_, sq := moments(x, 0)
	f := float32(want / math.Sqrt(max(float64(sq)/float64(len(x)), 1e-5)))
	for j := range x {
		x[j] *= f
	}
	t.flops(3 * len(x))
}

// cut keeps only the last position of each sequence, where the layer continues with that alone.
func (s *streams) cut(rows int) {
	for i, m := range s.s {
		if m.rows > rows {
			s.s[i] = m.last(m.rows / rows)
		}
	}
}

// altUp is what a layer of a model with several streams does before and after its mixer and FFN.
type altUp struct {
	arch.AltUp
	norm                     *norm
	router, predict, correct linear
	scale                    []float32 // nil where there is none
}

func (m *Model) newAltUp(prefix string) altUp {
	a := m.arch.AltUp
	n := a.Streams
	return altUp{
		AltUp: a, norm: m.bare(prefix + "altup.norm"), router: m.linear(prefix+"altup.router", n, m.arch.Width),
		predict: m.linear(prefix+"altup.predict", n*n, n), correct: m.linear(prefix+"altup.correct", n, n),
		scale: m.weights[prefix+"altup.scale"],
	}
}

// coefficients computes the coefficients that the router makes from x.
func (a *altUp) coefficients(c *call, name string, l linear, x mat) mat {
	normed, routed, out := c.mat(x.rows, x.cols), c.mat(x.rows, a.Streams), c.mat(x.rows, l.out)
	c.op("altup.norm", func(t *tally) { a.norm.rows(c.r, t, x, normed) })
	c.op("altup.router", func(t *tally) { c.r.linear(t, a.router, normed, routed, epilogue{}) })
	c.op("altup.route", func(t *tally) {
		for i := range routed.rows {
			row := routed.row(i)
			t.read(Activations, len(row))
			for j, v := range row {
				row[j] = float32(math.Tanh(float64(v)))
			}
			t.flops(len(row))
			t.write(Activations, len(row))
		}
	})
	c.op(name, func(t *tally) { c.r.linear(t, l, routed, out, epilogue{}) })
	return out
}

// before predicts all streams and gives the active one to the layer.
func (a *altUp) before(c *call) {
	if !a.There() {
		return
	}
	s := &c.streams
	s.cut(c.x.rows)
	coef := a.coefficients(c, "altup.predict", a.predict, s.s[a.Active])
	n, w := a.Streams, c.x.cols
	was := make([]float32, n)
	c.op("altup.mix", func(t *tally) {
		for i := range c.x.rows {
			k := coef.row(i)
			t.read(Activations, len(k)+n*w)
			for e := range w {
				for j, m := range s.s {
					was[j] = m.row(i)[e]
				}
				for j, m := range s.s {
					sum := was[j]
					for from, f := range k[j*n : (j+1)*n] {
						sum += f * was[from]
					}
					m.row(i)[e] = sum
				}
			}
			t.flops(2 * n * n * w)
			t.write(Activations, n*w)
			// The predicted values stay where they were written, and the layer's stream takes
			// their place.
			copy(c.x.row(i), s.s[a.Active].row(i))
		}
	})
}

// after corrects all streams by what the layer did to its own stream, and returns what the
// layer's own embedding reads.
func (a *altUp) after(c *call) mat {
	if !a.There() {
		return c.x
	}
	s := &c.streams
	s.cut(c.x.rows)
	coef := a.coefficients(c, "altup.correct", a.correct, c.x)
	n, w := a.Streams, c.x.cols
	c.op("altup.update", func(t *tally) {
		change := make([]float32, w)
		for i := range c.x.rows {
			x, k, p := c.x.row(i), coef.row(i), s.s[a.Active].row(i)
			t.read(Activations, len(x)+len(k)+n*w)
			for e, v := range x {
				change[e] = v - p[e]
			}
			for j, m := range s.s {
				f, to := 1+k[j], m.row(i)
				for e, d := range change {
					to[e] += f * d
				}
			}
			t.flops(w + 2*n*w + n)
			t.write(Activations, n*w)
		}
	})
	if a.scale == nil {
		return mat{}
	}
	scaled := c.mat(c.x.rows, w)
	c.op("altup.scale", func(t *tally) {
		t.read(Weights, len(a.scale))
		for i := range scaled.rows {
			from, to := s.s[a.Active].row(i), scaled.row(i)
			t.read(Activations, len(from))
			for e, v := range from {
				to[e] = v * a.scale[e]
			}
			t.flops(len(to))
			t.write(Activations, len(to))
		}
	})
	return scaled
}

// addToStreams adds the output of the layer's own embedding to every stream except the first.
func (c *call) addToStreams(t *tally, n *norm, y mat) {
	s := c.streams.s
	if len(s) == 0 {
		n.add(c.r, t, y, c.x)
		return
	}
	t.read(Weights, len(n.w)+len(n.b))
	for i := range y.rows {
		from := y.row(i)
		n.row(nil, from, from)
		t.read(Activations, len(from))
		t.flops(n.flops(len(from)))
		for _, m := range s[1:] {
			to := m.row(i)
			t.read(Activations, len(to))
			for e, v := range from {
				to[e] += v
			}
			t.flops(len(to))
			t.write(Activations, len(to))
		}
	}
}

// laurel is a low-rank branch beside a mixer (arch.Model.LaurelRank).
type laurel struct {
	left, right linear
	norm        norm
}

func (m *Model) newLaurel(prefix string) laurel {
	r, w := m.arch.LaurelRank, m.arch.Width
	return laurel{m.linear(prefix+"laurel.left", r, w), m.linear(prefix+"laurel.right", w, r), m.norm(prefix + "laurel.norm")}
}

// run adds the branch's output for x, which the mixer read, to the stream after the mixer.
func (l *laurel) run(c *call, x mat) {
	if l.left.out == 0 {
		return
	}
	if x.rows > c.x.rows { // the mixer continued with the last position alone
		x = x.last(x.rows / c.x.rows)
	}
	low, y := c.mat(x.rows, l.left.out), c.mat(x.rows, x.cols)
	c.op("laurel.left", func(t *tally) { c.r.linear(t, l.left, x, low, epilogue{}) })
	c.op("laurel.right", func(t *tally) { c.r.linear(t, l.right, low, y, epilogue{}) })
	c.op("laurel.norm", func(t *tally) {
		t.read(Weights, len(l.norm.w)+len(l.norm.b))
		for i := range y.rows {
			b, in, to := y.row(i), x.row(i), c.x.row(i)
			t.read(Activations, len(b)+len(in)+len(to))
			l.norm.row(nil, b, b)
			for j := range to {
				to[j] = (to[j] + in[j] + b[j]) * (math.Sqrt2 / 2)
			}
			t.flops(l.norm.flops(len(b)) + 3*len(to))
			t.write(Activations, len(to))
		}
	})
}
