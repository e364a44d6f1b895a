package kernels

import (
	"math"

	"github.com/OWNER/ridgeline/arch"
)

// moe is a mixture of experts.
type moe struct {
	arch.MoE
	router               linear
	latentDown, latentUp linear    // where the experts work at a width of their own
	correction           []float32 // added to the scores for the choice; nil without
	up, down             []linear  // by expert
	sharedUp, sharedDown linear
	sharedGate           linear
	sumBias              []float32
}

func (m *Model) newMoE(f arch.MoE, p string, _ int) *moe {
	width := m.arch.Width
	up := arch.UpRows(f.Inner, f.Gated)
	out := &moe{MoE: f, router: m.linear(p+"router", f.Scores(), width), sumBias: m.weights[p+"sum_bias"]}
	if f.Routing.Correction {
		out.correction, out.router.bias = out.router.bias, nil
	}
	at := width
	if f.Latent > 0 {
		at = f.Latent
		out.latentDown, out.latentUp = m.linear(p+"latent_down", at, width), m.linear(p+"latent_up", width, at)
	}
	ups, downs := m.linear(p+"up", f.Experts*up, at), m.linear(p+"down", f.Experts*at, f.Inner)
	for e := range f.Experts {
		out.up = append(out.up, ups.part(e*up, (e+1)*up))
		out.down = append(out.down, downs.part(e*at, (e+1)*at))
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

// route makes choices and shares of the router's logits as arch.Routing says, ties to
// the lower expert. A softmax that is renormalised over its top k is taken over those
// alone, which is the same.
func (m *moe) route(t *tally, logits mat) *routes {
	k, n := m.TopK, logits.rows*m.TopK
	rt := &routes{expert: make([]int32, n), share: make([]float32, n), k: k, start: make([]int32, logits.cols+1)}
	score, choice := make([]float32, logits.cols), make([]float32, logits.cols)
	for i := range logits.rows {
		l := logits.row(i)
		t.read(Activations, len(l))
		t.flops(2 * len(l))
		if m.Routing.Mixer {
			copy(choice, l)
			mixerPicks(choice, l, rt.expert[i*k:(i+1)*k], rt.share[i*k:(i+1)*k], float32(2*m.Routing.Jitter))
			t.write(Activations, 2*k)
			continue
		}
		m.scores(l, score)
		copy(choice, score)
		if m.correction != nil {
			for e, b := range m.correction {
				choice[e] += b
			}
		}
		m.closeGroups(choice)
		experts, shares := rt.expert[i*k:(i+1)*k], rt.share[i*k:(i+1)*k]
		var sum float32
		for j := range k {
			best := 0
			for e, v := range choice {
				if v > choice[best] {
					best = e
				}
			}
			choice[best] = float32(math.Inf(-1))
			experts[j], shares[j] = int32(best), score[best]
			sum += score[best]
		}
		m.normalise(shares, sum)
		t.write(Activations, len(experts)+len(shares))
	}
	rt.gather(logits.cols)
	return rt
}

// mixerPicks is SparseMixer's choice: experts one after the other, each with its softmax over
// those left of which (best − score)/max(|score|, best) is at most near. left is changed.
func mixerPicks(left, scores []float32, experts []int32, shares []float32, near float32) {
	for j := range experts {
		best := 0
		for e, v := range left {
			if v > left[best] {
				best = e
			}
		}
		top := left[best]
		var sum float32
		for e, v := range left {
			if d := (top - scores[e]) / max(float32(math.Abs(float64(scores[e]))), top); !(d > near) {
				sum += exp32(v - top)
			}
		}
		experts[j], shares[j] = int32(best), 1/sum
		left[best] = float32(math.Inf(-1))
	}
}

// scores are the sigmoids or the softmax of a row of logits.
func (m *moe) scores(l, score []float32) {
	if m.Routing.Sigmoid {
		for e, v := range l {
			score[e] = sigmoid32(v)
		}
		return
	}
	top := maximum(l)
	var sum float32
	for e, v := range l {
		score[e] = exp32(v - top)
		sum += score[e]
	}
	if m.Routing.Raw || m.correction != nil { // otherwise the shares of the top k are divided by their own sum
		for e := range score {
			score[e] /= sum
		}
	}
}

func (m *moe) normalise(shares []float32, sum float32) {
	f := float32(1)
	if !m.Routing.Raw {
		f = 1 / sum
	}
	if m.Routing.Scale != 0 {
		f *= float32(m.Routing.Scale)
	}
	if f != 1 {
		for j := range shares {
			shares[j] *= f
		}
	}
}

// closeGroups shuts all experts but those of the best groups.
func (m *moe) closeGroups(choice []float32) {
	g := m.Routing.Groups
	if g <= 1 || m.Routing.TopGroups >= g {
		return
	}
	size := len(choice) / g
	rank := make([]float32, g)
	for i := range rank {
		first, second := float32(math.Inf(-1)), float32(math.Inf(-1))
		for _, v := range choice[i*size : (i+1)*size] {
			if v > first {
				first, second = v, first
			} else if v > second {
				second = v
			}
		}
		rank[i] = first
		if !m.Routing.GroupMax && size > 1 {
			rank[i] += second
		}
	}
	open := make([]bool, g)
	for range m.Routing.TopGroups {
		best := -1
		for i, v := range rank {
			if !open[i] && (best < 0 || v > rank[best]) {
				best = i
			}
		}
		open[best] = true
	}
	for i := range open {
		if !open[i] {
			for e := i * size; e < (i+1)*size; e++ {
				choice[e] = float32(math.Inf(-1))
			}
		}
	}
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

// hit lists those of the first n experts that some row picked.
func (rt *routes) hit(n int) []int {
	var hit []int
	for e := range n {
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
	sum, ok := m.routed(c, x, x, c.sum, nil, func() {})
	if ok && m.SharedInner > 0 {
		m.shared(c, x, sum)
	}
	if ok && m.SumBias {
		c.op("moe.sum_bias", func(t *tally) { addVector(t, sum, m.sumBias) })
	}
}

// addVector adds a vector to every row.
func addVector(t *tally, x mat, v []float32) {
	t.read(Weights, len(v))
	for i := range x.rows {
		row := x.row(i)
		t.read(Activations, len(row))
		for j := range row {
			row[j] += v[j]
		}
		t.flops(len(row))
		t.write(Activations, len(row))
	}
}

// routed routes by routing and adds the shares of the experts' outputs for x into what sum
// returns; between runs behind the router. scale holds a factor of each expert's shares. It
// returns the sum, and whether the call goes on.
func (m *moe) routed(c *call, routing, x mat, sum func() mat, scale []float32, between func()) (mat, bool) {
	r := c.r
	logits := c.mat(x.rows, m.Scores())
	c.op("moe.router", func(t *tally) {
		r.linear(t, m.router, routing, logits, epilogue{})
		// A correction of the scores is read and counted here, where another router's bias is.
		t.read(Weights, len(m.correction))
		t.flops(x.rows * len(m.correction))
	})
	var rt *routes
	c.op("moe.route", func(t *tally) {
		rt = m.route(t, logits)
		t.read(Weights, len(scale))
		rt.scale(scale)
	})
	if rt == nil {
		return mat{}, false
	}
	between()
	result := sum()
	into := result
	if m.Latent > 0 {
		low := c.mat(x.rows, m.Latent)
		c.op("moe.latent_down", func(t *tally) { r.linear(t, m.latentDown, x, low, epilogue{}) })
		into = c.mat(x.rows, m.Latent)
		clear(into.data[:into.rows*into.cols])
		x = low
		defer func() {
			c.op("moe.latent_up", func(t *tally) { r.linear(t, m.latentUp, into, result, epilogue{add: true}) })
		}()
	}
	hit := rt.hit(m.Experts)
	picks := int(rt.start[m.Experts]) // of experts that compute
	c.s.Meter.hit(c.layer, "moe", len(hit), picks)
	picked := c.mat(picks, x.cols)
	up := c.mat(picks, m.up[0].out)
	c.op("moe.up", func(t *tally) {
		for i, row := range rt.rows[:picks] {
			to := picked.row(i)
			copy(to, x.row(int(row)))
			if m.Routing.ScaleInput {
				for j := range to {
					to[j] *= rt.shares[i]
				}
				t.flops(len(to))
			}
		}
		for _, e := range hit {
			r.linear(t, m.up[e], rt.of(picked, e), rt.of(up, e), epilogue{})
		}
	})
	y := c.mat(picks, m.Inner)
	c.op("moe.act", func(t *tally) { activate(r, t, up, y, m.Act, m.Gated) })
	c.op("moe.down", func(t *tally) {
		for _, e := range hit {
			from, end := rt.start[e], rt.start[e+1]
			out := epilogue{add: true, rows: rt.rows[from:end], scale: rt.shares[from:end]}
			if m.Routing.ScaleInput {
				out.scale = nil
			}
			r.linear(t, m.down[e], rt.of(y, e), into, out)
		}
	})
	if m.Zero > 0 {
		c.op("moe.zero", func(t *tally) { rt.passOn(t, m.Experts, x, into) })
	}
	return result, true
}

// passOn adds to each row of sum the row of x times its shares of experts from the given one on.
func (rt *routes) passOn(t *tally, from int, x, sum mat) {
	for i := range x.rows {
		var share float32
		for j := i * rt.k; j < (i+1)*rt.k; j++ {
			if int(rt.expert[j]) >= from {
				share += rt.share[j]
			}
		}
		in, to := x.row(i), sum.row(i)
		t.read(Activations, len(in)+len(to))
		for j, v := range in {
			to[j] += share * v
		}
		t.flops(2 * len(to))
		t.write(Activations, len(to))
	}
}

// scale multiplies the shares of each expert by a factor of its own.
func (rt *routes) scale(by []float32) {
	for e := range by {
		for i := rt.start[e]; i < rt.start[e+1]; i++ {
			rt.shares[i] *= by[e]
		}
	}
}

// shared runs the expert that every row sees, scaled by its gate where it has one.
func (m *moe) shared(c *call, x, sum mat) {
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
		r.linear(t, m.sharedDown, y, sum, epilogue{add: true, scale: scale})
	})
}
