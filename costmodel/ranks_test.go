package costmodel

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/formats"
	"github.com/OWNER/ridgeline/precision"
)

func drawWorkload(t *rapid.T) Workload {
	return Workload{Prompt: rapid.IntRange(0, 300).Draw(t, "prompt"), Generate: rapid.IntRange(1, 500).Draw(t, "generate"), Batch: rapid.IntRange(1, 100).Draw(t, "batch")}
}

// One stage, one group and experts that are not spread are what there was without them, bit for
// bit; and so are the sums over stages where there is one.
func TestOneOfEachIsNone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, o := drawModel(t), drawOptions(t)
		none, err := Compile(m, testGPU(), o)
		if err != nil {
			t.Fatal(err)
		}
		o.PP, o.EP, o.DP, o.Microbatches, o.Skew = 1, 1, 1, 1, 1
		one, err := Compile(m, testGPU(), o)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(none.decode, one.decode) || !reflect.DeepEqual(none.prefill, one.prefill) || !reflect.DeepEqual(none.mem, one.mem) {
			t.Fatal("the operations differ")
		}
		w := drawWorkload(t)
		alone := *one
		alone.stages = []*Compiled{one}
		for _, f := range []Fidelity{Limit, Roofline, Calibrated} {
			a, _ := none.Estimate(f, w)
			b, _ := one.Estimate(f, w)
			if !reflect.DeepEqual(a, b) || a.Parallel != nil {
				t.Fatalf("%v: %+v, with one of each %+v", f, a, b)
			}
			p, q := none.At(f), alone.together(f)
			mix := mixOf(none, []int{7, 90, w.Prompt + 1}, Call{Batch: 2, New: 30, Past: 10})
			for what, x := range map[string][2]float64{
				"step": {p.Step(w.Batch, 77), q.Step(w.Batch, 77)}, "generation": {p.Generation(w), q.Generation(w)},
				"prefill": {p.Prefill(w), q.Prefill(w)}, "mixed": {p.Mixed(mix), q.Mixed(mix)}, "run": {p.Run(mix, 5), q.Run(mix, 5)},
			} {
				if x[0] != x[1] {
					t.Fatalf("%v: %s takes %g, as the only stage %g", f, what, x[0], x[1])
				}
			}
			if a, b := none.Memory(w), alone.Memory(w); a != b && none.MaxBatch(w) < MaxBatchSize {
				t.Fatalf("memory %+v, of the only stage %+v", a, b)
			}
		}
	})
}

// plainFormats leaves weights in a format whose bytes divide: quantised parts have scales each.
func plainFormats(o Options) Options {
	if o.Weights.Quantised() {
		o.Weights = formats.Plain(precision.BF16)
	}
	return o
}

// Stages together do what one does, operation by operation, and what they hand over besides; and
// they store what one does, and copies of an embedding that is the head's weight, and of caches.
func TestStagesShareTheLayers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		o := plainFormats(drawOptions(t))
		whole, err := Compile(m, testGPU(), o)
		if err != nil {
			t.Fatal(err)
		}
		o.PP = rapid.IntRange(1, len(m.Layers)).Draw(t, "pp")
		c, err := Compile(m, testGPU(), o)
		if err != nil {
			t.Fatal(err)
		}
		call, decode := drawCall(t)
		byName := func(of []*Compiled) (map[string]Work, map[string]int) {
			out, n := map[string]Work{}, map[string]int{}
			for _, s := range of {
				for _, g := range s.groups(decode) {
					w := out[g.Name]
					w.add(g.Op.Work(call), float64(g.Count))
					out[g.Name] = w
					n[g.Name] += g.Count
				}
			}
			return out, n
		}
		a, an := byName([]*Compiled{whole})
		stages := c.stages
		if stages == nil {
			stages = []*Compiled{c}
		}
		b, bn := byName(stages)
		for name := range b {
			if _, ok := a[name]; !ok && !strings.HasPrefix(name, "pp.") {
				t.Fatalf("stages run %s, one device does not", name)
			}
		}
		for name, x := range a {
			y := b[name]
			if !sameWork(x, y) || an[name] != bn[name] {
				t.Fatalf("%s: %+v (%d times), of %d stages %+v (%d)", name, x, an[name], o.PP, y, bn[name])
			}
		}
		copies := 0.0
		if m.Tied && o.PP > 1 {
			for _, g := range whole.decode {
				if g.Kernel == Head {
					copies = g.Bytes[Weights][one]
				}
			}
		}
		var weights, token, state, cache float64
		for _, s := range stages {
			weights, token, state = weights+s.mem.weights, token+s.mem.perToken, state+s.mem.state
			for _, g := range s.decode {
				if g.Name == "pp.store_cache" && (g.Shape.Window == 0 || o.Cache == execution.FullWindow) {
					cache += float64(g.Count) * g.Bytes[CacheWrite][ring]
				}
			}
		}
		if !close9(weights, whole.mem.weights+copies) || !close9(token, whole.mem.perToken+cache) || !close9(state, whole.mem.state) {
			t.Fatalf("%d stages store weights %g, %g a token, states %g; one %g (and %g twice), %g (and %g), %g",
				o.PP, weights, token, state, whole.mem.weights, copies, whole.mem.perToken, cache, whole.mem.state)
		}
	})
}

func sameWork(x, y Work) bool {
	for k := range NumKinds {
		if !close9(x.Bytes[k], y.Bytes[k]) {
			return false
		}
	}
	return close9(x.FLOPs, y.FLOPs) && close9(x.Link, y.Link) && close9(x.Net, y.Net)
}

// The devices that share experts do together what one device with all of them does for the rows
// of all their groups, and store as much; and all else is as it is without sharing.
func TestRanksShareExperts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		o := drawDeployment(t, m, plainFormats(drawOptions(t)))
		o.PP, o.Microbatches, o.Skew = 1, 0, 0
		shared, err := Compile(m, testGPU(), o)
		if err != nil {
			t.Fatal(err)
		}
		compile := func(tp int) *Compiled {
			x := o
			x.TP, x.EP, x.DP = tp, 0, 0
			c, err := Compile(m, testGPU(), x)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		group, single := compile(o.TP), compile(1)
		call, decode := drawCall(t)
		find := func(c *Compiled, like *OpGroup, call Call) Work {
			var w Work
			for _, g := range c.groups(decode) {
				if g.Name == like.Name {
					w.add(g.Op.Work(call), float64(g.Count))
				}
			}
			return w
		}
		s := newSpread(&o, testGPU())
		all := call
		all.Batch *= s.groups
		for i := range shared.groups(decode) {
			g := &shared.groups(decode)[i]
			got := find(shared, g, call)
			switch {
			case g.Kernel == AllToAll:
			case strings.HasPrefix(g.Name, "moe.up") || strings.HasPrefix(g.Name, "moe.down") || g.Name == "moe.act":
				want := find(single, g, all)
				var sum Work
				sum.add(got, float64(s.ranks*s.inner))
				adds := strings.HasPrefix(g.Name, "moe.down") && s.inner > 1 // sums of its own on each device
				if !close9(sum.FLOPs, want.FLOPs) && !adds || !close9(sum.Bytes[Weights], want.Bytes[Weights]) {
					t.Fatalf("%s: %d devices do %+v, one does %+v", g.Name, s.ranks*s.inner, sum, want)
				}
				if s.inner == 1 && !sameWork(sum, want) { // a split inner width reads its rows on each device
					t.Fatalf("%s: %d devices move %+v, one %+v", g.Name, s.ranks, sum, want)
				}
			default:
				if want := find(group, g, call); !sameWork(got, want) {
					t.Fatalf("%s: %+v with experts spread, %+v without", g.Name, got, want)
				}
			}
		}
		experts := func(c *Compiled) (bytes float64) {
			for _, g := range c.decode {
				bytes += float64(g.Count) * g.Bytes[Weights][hit] * float64(g.Shape.Experts)
			}
			return bytes
		}
		if a, b := experts(single), experts(shared)*float64(s.ranks*s.inner); !close9(a, b) {
			t.Fatalf("experts take %g B, of %d devices together %g", a, s.ranks*s.inner, b)
		}
		if a, b := group.mem.weights-experts(group), shared.mem.weights-experts(shared); !close9(a, b) {
			t.Fatalf("all else takes %g B, with experts spread %g", a, b)
		}
	})
}

// More stages, more groups and wider spread experts never give a device more arithmetic or more
// bytes of weights, and no batch that fits is lost.
func TestMoreRanksNeverDoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		o := drawDeployment(t, m, plainFormats(drawOptions(t)))
		o.Skew = 0
		more := o
		switch rapid.IntRange(0, 2).Draw(t, "more") {
		case 0:
			more.PP = len(m.Layers)
		case 1:
			more.DP *= 2
		case 2:
			more.EP, more.DP = more.EP*2, more.DP*2
		}
		a, err := Compile(m, testGPU(), o)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Compile(m, testGPU(), more)
		if err != nil {
			t.Skip("the model does not divide")
		}
		w := drawWorkload(t)
		// Of the busiest stage, the weights of all it stores and what it does to one microbatch.
		busiest := func(c *Compiled) (flops, weights float64) {
			stages := c.stages
			if stages == nil {
				stages = []*Compiled{c}
			}
			for _, s := range stages {
				flops = max(flops, s.work(s.decode, Call{Batch: c.perDevice(w).Batch, New: 1, Past: w.Prompt}).FLOPs)
				weights = max(weights, s.mem.weights)
			}
			return flops, weights
		}
		f1, w1 := busiest(a)
		f2, w2 := busiest(b)
		if f2 > f1*(1+1e-12) || w2 > w1*(1+1e-12) {
			t.Fatalf("%s: %g FLOPs and %g B of weights, %s %g and %g", a.Ranks(), f1, w1, b.Ranks(), f2, w2)
		}
	})
}

// What goes from stage to stage is its closed form: the residual stream of every boundary, the
// caches and the memories of layers before it that layers behind it read.
func TestSentBetweenStages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawModel(t)
		o := drawOptions(t)
		o.PP = rapid.IntRange(1, len(m.Layers)).Draw(t, "pp")
		c, err := Compile(m, testGPU(), o)
		if err != nil {
			t.Fatal(err)
		}
		call, decode := drawCall(t)
		n := len(m.Layers)
		from := n
		if s, ok := m.CrossDecoder(); ok && !decode && o.Prefill == execution.Skip {
			from = s
		}
		rowsAll, last := float64(call.Batch*call.New), float64(call.Batch)
		rowsOf := func(layer int) float64 {
			if layer >= from {
				return last
			}
			return rowsAll
		}
		want, gathered := 0.0, 0.0
		act, kv, t1 := c.f.act.Bytes(), c.f.kv.Bytes(), float64(c.tp)
		for s := 1; s < o.PP; s++ {
			i := firstLayers(n, o.PP)[s]
			want += rowsOf(i) * float64(m.Width) * act / t1
			gathered += rowsOf(i) * float64(m.Width) * act * (t1 - 1) / t1
			caches, memories := map[int]bool{}, map[[2]int]float64{}
			for j := i; j < n; j++ {
				for _, p := range arch.Parts(m.Layers[j].Mixer) {
					if a, ok := p.(arch.Attention); ok && a.Cross() {
						owner, _ := a.KVSource.Layer()
						if caches[owner] || owner >= i {
							continue
						}
						caches[owner] = true
						seen := float64(call.New)
						if a.Window > 0 {
							seen = min(seen, float64(a.Window))
						}
						heads := a.KVHeads / c.tp
						if a.Differential { // its keys come in pairs
							heads = max(heads, 2)
						}
						want += float64(call.Batch) * seen * float64(2*heads*a.HeadDim) * kv
					}
					if g, ok := p.(arch.GMU); ok {
						l, _ := g.Memory.Layer()
						if k := [2]int{l, int(g.From)}; l < i {
							memories[k] = max(memories[k], rowsOf(j))
						}
					}
				}
			}
			for k, r := range memories {
				w := float64(m.MemoryWidth(k[0], arch.MemoryKind(k[1]))) * act
				want += r * w / t1
				if arch.MemoryKind(k[1]) == arch.OutputMemory {
					gathered += r * w * (t1 - 1) / t1
				}
			}
		}
		sent, got := 0.0, 0.0
		for _, g := range c.groups(decode) {
			w := g.Op.Work(call)
			switch {
			case g.Kernel == SendRecv:
				sent += float64(g.Count) * (w.Link + w.Net)
			case strings.HasPrefix(g.Name, "pp.allgather"):
				got += float64(g.Count) * w.Link
			}
		}
		if !close9(sent, want) || !close9(got, gathered) {
			t.Fatalf("%d stages send %g B and gather %g, the closed forms are %g and %g", o.PP, sent, got, want, gathered)
		}
	})
}

// A cache within a window is handed over as far as it is kept, passes through a stage that does not
// read it, and is stored again by the one that does.
func TestCachesPassThroughStages(t *testing.T) {
	owner := arch.Attention{Heads: 4, KVHeads: 2, HeadDim: 16, Window: 8}
	reader := owner
	reader.KVSource = arch.To(0)
	c, err := Compile(layers(t, nil, owner, owner, reader), testGPU(), Options{PP: 3})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct{ sent, stored float64 }{{8 * 64 * 2, 0}, {8 * 64 * 2, 0}, {0, 8 * 64 * 2}} {
		sent, stored := 0.0, 0.0
		for _, g := range c.stages[i].prefill {
			w := g.Op.Work(Call{Batch: 1, New: 20})
			switch g.Name {
			case "pp.send_cache":
				sent += w.Link
			case "pp.store_cache":
				stored += w.Bytes[CacheWrite]
			}
		}
		if sent != want.sent || stored != want.stored {
			t.Errorf("stage %d sends %g B of the cache and stores %g, want %+v", i, sent, stored, want)
		}
	}
}

// A row goes once to every other device that has one of its experts: counted over all sets of
// picks, device by device.
func TestSentToExperts(t *testing.T) {
	for _, x := range []struct{ experts, k, tp, dp, ep int }{{8, 2, 1, 4, 4}, {8, 3, 1, 8, 8}, {8, 2, 2, 4, 4}, {6, 4, 1, 3, 3}, {8, 1, 1, 16, 8}, {8, 8, 1, 2, 2}, {8, 2, 4, 2, 2}, {16, 3, 1, 16, 16}} {
		m := layers(t, arch.MoE{Experts: x.experts, TopK: x.k, Inner: 8, Gated: true}, arch.Attention{Heads: 8, KVHeads: 8, HeadDim: 8})
		c, err := Compile(m, testGPU(), Options{TP: x.tp, DP: x.dp, EP: x.ep})
		if err != nil {
			t.Fatal(err)
		}
		sets, others := 0, 0
		per := x.experts / x.ep
		for set := range 1 << x.experts {
			picked := map[int]bool{}
			n := 0
			for e := range x.experts {
				if set>>e&1 == 1 {
					n++
					picked[e/per] = true
				}
			}
			if n == x.k {
				sets++
				delete(picked, 0)
				others += len(picked)
			}
		}
		want := 0.0
		if x.ep > x.tp {
			want = 5 * float64(m.Width) * 2 / float64(x.tp) * float64(others) / float64(sets)
		}
		for _, name := range []string{"moe.dispatch", "moe.combine"} {
			got := 0.0
			for _, g := range c.decode {
				if g.Name == name {
					w := g.Op.Work(Call{Batch: 5, New: 1, Past: 9})
					got += float64(g.Count) * (w.Link + w.Net)
				}
			}
			if !close9(got, want*float64(len(m.Layers))) {
				t.Errorf("%+v: %s sends %g B, counted %g", x, name, got, want)
			}
		}
	}
}

// Skewed picks: the busiest device computes and receives more the more it is picked, no more than
// every row, and at the largest skew every row.
func TestSkew(t *testing.T) {
	m := layers(t, arch.MoE{Experts: 16, TopK: 2, Inner: 8, Gated: true}, arch.Attention{Heads: 8, KVHeads: 8, HeadDim: 8})
	at := func(skew float64) (sent, flops, weights float64) {
		c, err := Compile(m, testGPU(), Options{DP: 4, EP: 4, Skew: skew})
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range c.decode {
			w := g.Op.Work(Call{Batch: 5, New: 1, Past: 9})
			switch g.Name {
			case "moe.dispatch":
				sent = w.Link
			case "moe.up":
				flops, weights = w.FLOPs, w.Bytes[Weights]
			}
		}
		return sent, flops, weights
	}
	s1, f1, w1 := at(1)
	if s, f, w := at(0); s != s1 || f != f1 || w != w1 {
		t.Error("no skew is not balanced")
	}
	for skew := 1.25; skew <= 4; skew += 0.25 {
		s, f, w := at(skew)
		if !close9(f, f1*skew) || s < s1 || s == s1 && skew < 3 || w <= w1 {
			t.Errorf("skew %g: %g B sent, %g FLOPs, %g B of weights; balanced %g, %g, %g", skew, s, f, w, s1, f1, w1)
		}
		s1, w1 = s, w
	}
	if want := 5 * 3 * float64(m.Width) * 2; !close9(s1, want) {
		t.Errorf("the device that all rows pick receives %g B, %g are sent", s1, want)
	}
}

// Devices of a node are counted one by one.
func TestNearest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, node := rapid.IntRange(1, 20).Draw(t, "n"), rapid.IntRange(1, 20).Draw(t, "node")
		devices := n * rapid.IntRange(1, 6).Draw(t, "groups")
		want := n
		for r := range devices {
			same := 0
			for x := range devices {
				if x/n == r/n && x/node == r/node {
					same++
				}
			}
			want = min(want, same)
		}
		if got := nearest(n, node, devices); got != want {
			t.Fatalf("%d of %d in nodes of %d: %d, counted %d", n, devices, node, got, want)
		}
	})
}

// Layers that stages do not divide go one each in front of the last stage.
func TestFirstLayers(t *testing.T) {
	for _, x := range []struct {
		layers, stages int
		want           []int
	}{{32, 1, []int{0}}, {32, 4, []int{0, 8, 16, 24}}, {61, 4, []int{0, 15, 30, 46}}, {10, 4, []int{0, 2, 5, 8}}, {11, 4, []int{0, 3, 6, 9}}, {7, 7, []int{0, 1, 2, 3, 4, 5, 6}}} {
		if got := firstLayers(x.layers, x.stages); !reflect.DeepEqual(got, x.want) {
			t.Errorf("%d layers in %d stages begin at %v, want %v", x.layers, x.stages, got, x.want)
		}
	}
}

// The price of several stages and groups follows from what each takes: the pipeline's cycle; the
// sum of a generation's steps, nearly; and more of anything costs no less.
func TestTogetherIsItsStages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileDeployment(t)
		w := drawWorkload(t)
		group := ceilDiv(w.Batch, c.dp)
		m := 1
		if c.pp > 1 {
			if m = c.Options.Microbatches; m == 0 {
				m = c.pp
			}
			m = min(m, group)
		}
		each := ceilDiv(group, m)
		stages := c.stages
		if stages == nil {
			stages = []*Compiled{c}
		}
		for _, f := range []Fidelity{Limit, Roofline} {
			p := c.At(f)
			var sum, most, psum, pmost float64
			for _, s := range stages {
				x := byOperation(s, f, s.decode, Call{Batch: each, New: 1, Past: w.Prompt})
				sum, most = sum+x, max(most, x)
				if w.Prompt > 0 {
					y := byOperation(s, f, s.prefill, Call{Batch: each, New: w.Prompt})
					psum, pmost = psum+y, max(pmost, y)
				}
			}
			if got, want := p.Step(w.Batch, w.Prompt+1), max(sum, float64(m)*most); !close9(got, want) {
				t.Fatalf("%v: step %g, from its stages %g", f, got, want)
			}
			if got, want := p.Prefill(w), psum+float64(m-1)*pmost; !close9(got, want) {
				t.Fatalf("%v: prefill %g, from its stages %g", f, got, want)
			}
			loop := 0.0
			for n := w.Prompt + 1; n <= w.Prompt+w.Generate; n++ {
				loop += p.Step(w.Batch, n)
			}
			within := 5e-3
			if ws := c.Windows(); len(ws) > 0 && ws[0] < 0 {
				within = 0.2 // short chunks: another stage is the slowest every few steps
			}
			if got := p.Generation(w); math.Abs(got-loop) > within*loop {
				t.Fatalf("%v: generation %g, its steps %g", f, got, loop)
			}
			if more := p.Step(w.Batch+1, w.Prompt+1); more < p.Step(w.Batch, w.Prompt+1)*(1-1e-12) {
				t.Fatalf("%v: a sequence more takes less", f)
			}
			contexts := alike(w.Batch, w.Prompt+1)
			if got, want := p.Mixed(mixOf(c, contexts)), p.Step(w.Batch, w.Prompt+1); !close9(got, want) && w.Batch%(m*c.dp) == 0 {
				t.Fatalf("%v: mixed %g, step %g", f, got, want)
			}
			mix := mixOf(c, contexts, Call{Batch: 3, New: 20, Past: 5})
			without := p.Mixed(mixOf(c, contexts))
			if got := p.Mixed(mix); got < without*(1-1e-9) {
				t.Fatalf("%v: with pieces of prompts %g, without %g", f, got, without)
			}
			if k := unfilled(c, contexts, 9); c.stages == nil || w.Batch%(m*c.dp) == 0 {
				run := 0.0
				for i := range k {
					run += p.Run(mixOf(c, grown(contexts, i)), 1)
				}
				if got := p.Run(mixOf(c, contexts), k); math.Abs(got-run) > 0.2*run {
					t.Fatalf("%v: a run of %d %g, its steps %g", f, k, got, run)
				}
			}
		}
	})
}

// What MaxBatch says fits all devices, fits; one sequence more does not.
func TestMaxBatchOfAllDevices(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileDeployment(t)
		w := Workload{Prompt: rapid.IntRange(0, 20000).Draw(t, "prompt"), Generate: rapid.IntRange(1, 200000).Draw(t, "generate")}
		b := c.MaxBatch(w)
		if b > MaxBatchSize-c.dp {
			return
		}
		if b > 0 && !c.Memory(w.WithBatch(b)).Fits {
			t.Fatalf("%s: batch %d does not fit", c.Ranks(), b)
		}
		if c.Memory(w.WithBatch(b + 1)).Fits {
			t.Fatalf("%s: batch %d fits too", c.Ranks(), b+1)
		}
	})
}

// The estimate's own account of stages and what they wait for.
func TestParallelAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileDeployment(t)
		w := drawWorkload(t)
		if rapid.Bool().Draw(t, "one step") {
			w.Generate = 1
		}
		e, err := c.Estimate(Roofline, w)
		if err != nil {
			t.Fatal(err)
		}
		x := e.Parallel
		if x == nil {
			if c.Devices() > c.tp || c.ep > 1 {
				t.Fatal("several stages, groups or spread experts have no account")
			}
			return
		}
		layers, busy := 0, 0.0
		for _, s := range x.Stages {
			if s.FirstLayer != layers {
				t.Fatalf("a stage begins with layer %d behind %d", s.FirstLayer, layers)
			}
			layers += s.Layers
			busy += s.Seconds
		}
		step := e.Decode.MeanStepSeconds
		idle := 1 - float64(x.Microbatches)*busy/(float64(len(x.Stages))*step)
		if layers != len(c.Model.Layers) || x.BubbleShare < 0 || x.BubbleShare >= 1 || math.Abs(x.BubbleShare-max(idle, 0)) > 1e-9 {
			t.Fatalf("%d layers, bubble %g (%g): %+v", layers, x.BubbleShare, idle, x)
		}
		if !close9(x.TokensPerSecondPerDevice*float64(x.Devices), e.Decode.TokensPerSecond) || x.SendSeconds > float64(x.Microbatches)*busy*(1+1e-9) {
			t.Fatalf("%+v of %+v", x, e.Decode)
		}
		if w.Generate == 1 {
			step := c.StepWork(w.Batch, w.Prompt+1)
			if m := float64(x.Microbatches); !close9(x.LinkBytes, m*step.Link) || !close9(x.NetworkBytes, m*step.Net) {
				t.Fatalf("%+v sent, of one microbatch %g and %g B", x, step.Link, step.Net)
			}
		}
		if x.DP == 1 && x.PP == 1 && x.NetworkBytes > 0 {
			t.Fatal("one group sends over the network")
		}
	})
}
