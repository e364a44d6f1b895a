package kernels

import "ridgeline/arch"

// moe is a mixture of experts: softmax over the logits, the top k renormalised.
type moe struct {
	arch.MoE
	router               linear
	up, down             []linear // by expert
	sharedUp, sharedDown linear
	sharedGate           linear
}

func (m *Model) newMoE(f arch.MoE, p string, _ int) *moe {
	width := m.arch.Width
	up := arch.UpRows(f.Inner, f.Gated)
	out := &moe{MoE: f, router: m.linear(p+"router", f.Experts, width)}
	ups, downs := m.linear(p+"up", f.Experts*up, width), m.linear(p+"down", f.Experts*width, f.Inner)
	for e := range f.Experts {
		out.up = append(out.up, ups.part(e*up, (e+1)*up))
		out.down = append(out.down, downs.part(e*width, (e+1)*width))
	}
	if f.SharedInner > 0 {
		out.sharedUp = m.linear(p+"shared_up", arch.UpRows(f.SharedInner, f.Gated), width)
		out.sharedDown = m.linear(p+"shared_down", width, f.SharedInner)
		out.sharedGate = m.linear(p+"shared_gate", 1, width)
	}
	return out
}

// routes is what the router decided: for each row and choice the expert and its
// share, and the same gathered by expert.
type routes struct {
	expert []int32
	share  []float32
	k      int
	// by expert: rows[start[e]:start[e+1]] picked it, with shares
	start  []int32
	rows   []int32
	shares []float32
}

// route picks the k largest logits of each row, ties to the lower expert. The shares
// are exp(l−max) over the sum of the k picked: softmax over all, renormalised.
func route(t *tally, logits mat, k int) *routes {
	n := logits.rows * k
	rt := &routes{expert: make([]int32, n), share: make([]float32, n), k: k, start: make([]int32, logits.cols+1)}
	weight := make([]float32, logits.cols)
	taken := make([]bool, logits.cols)
	for i := range logits.rows {
		l := logits.row(i)
		t.read(Activations, len(l))
		m := maximum(l)
		for e, v := range l {
			weight[e] = exp32(v - m)
		}
		t.flops(2 * len(l))
		clear(taken)
		experts, shares := rt.expert[i*k:(i+1)*k], rt.share[i*k:(i+1)*k]
		var sum float32
		for j := range k {
			best := -1
			for e, v := range l {
				if !taken[e] && (best < 0 || v > l[best]) {
					best = e
				}
			}
			taken[best] = true
			experts[j], shares[j] = int32(best), weight[best]
			sum += weight[best]
		}
		for j := range shares {
			shares[j] /= sum
		}
		t.write(Activations, len(experts)+len(shares))
	}
	rt.gather(logits.cols)
	return rt
}

// gather sorts the choices by expert, rows in order.
func (rt *routes) gather(experts int) {
	for _, e := range rt.expert {
		rt.start[e+1]++
	}
	for e := range experts {
		rt.start[e+1] += rt.start[e]
	}
	next := append([]int32(nil), rt.start...)
	rt.rows, rt.shares = make([]int32, len(rt.expert)), make([]float32, len(rt.expert))
	for c, e := range rt.expert {
		rt.rows[next[e]], rt.shares[next[e]] = int32(c/rt.k), rt.share[c]
		next[e]++
	}
}

// hit lists the experts that some row picked.
func (rt *routes) hit() []int {
	var hit []int
	for e := range len(rt.start) - 1 {
		if rt.start[e] < rt.start[e+1] {
			hit = append(hit, e)
		}
	}
	return hit
}

// of is the rows of m that belong to expert e.
func (rt *routes) of(m mat, e int) mat {
	from, to := int(rt.start[e]), int(rt.start[e+1])
	return mat{data: m.data[from*m.stride:], rows: to - from, cols: m.cols, stride: m.stride}
}

func (m *moe) run(c *call, x mat) {
	r := c.r
	logits := c.mat(x.rows, m.Experts)
	c.op("moe.router", func(t *tally) { r.linear(t, m.router, x, logits, epilogue{}) })
	var rt *routes
	c.op("moe.route", func(t *tally) { rt = route(t, logits, m.TopK) })
	if rt == nil {
		return
	}
	hit := rt.hit()
	c.s.Meter.hit(c.layer, len(hit))
	picked := c.mat(x.rows*m.TopK, x.cols)
	up := c.mat(x.rows*m.TopK, m.up[0].out)
	c.op("moe.up", func(t *tally) {
		for i, row := range rt.rows {
			copy(picked.row(i), x.row(int(row)))
		}
		for _, e := range hit {
			r.linear(t, m.up[e], rt.of(picked, e), rt.of(up, e), epilogue{})
		}
	})
	y := c.mat(x.rows*m.TopK, m.Inner)
	c.op("moe.act", func(t *tally) { activate(r, t, up, y, m.Act, m.Gated) })
	c.op("moe.down", func(t *tally) {
		for _, e := range hit {
			from, to := rt.start[e], rt.start[e+1]
			r.linear(t, m.down[e], rt.of(y, e), c.x, epilogue{add: true, rows: rt.rows[from:to], scale: rt.shares[from:to]})
		}
	})
	if m.SharedInner > 0 {
		m.shared(c, x)
	}
}

// shared runs the expert that every row sees, scaled by its gate where it has one.
func (m *moe) shared(c *call, x mat) {
	r := c.r
	up := c.mat(x.rows, m.sharedUp.out)
	c.op("moe.shared_up", func(t *tally) { r.linear(t, m.sharedUp, x, up, epilogue{}) })
	y := c.mat(x.rows, m.SharedInner)
	c.op("moe.shared_act", func(t *tally) { activate(r, t, up, y, m.Act, m.Gated) })
	var scale []float32
	if m.SharedGate {
		gate := c.mat(x.rows, 1)
		c.op("moe.shared_gate", func(t *tally) { r.linear(t, m.sharedGate, x, gate, epilogue{}) })
		scale = gate.data
	}
	c.op("moe.shared_down", func(t *tally) {
		t.read(Activations, len(scale))
		for i, v := range scale {
			scale[i] = sigmoid32(v)
		}
		r.linear(t, m.sharedDown, y, c.x, epilogue{add: true, scale: scale})
	})
}
