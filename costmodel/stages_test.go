package costmodel

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
	"github.com/OWNER/ridgeline/execution"
	"github.com/OWNER/ridgeline/internal/ceil"
)

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
		group := ceil.Div(w.Batch, c.dp)
		m := 1
		if c.pp > 1 {
			if m = c.Options.Microbatches; m == 0 {
				m = c.pp
			}
			m = min(m, group)
		}
		each := ceil.Div(group, m)
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
			// Prompts alone fill a pipeline too: each microbatch takes one of as many as there are.
			if together, ok := p.(*together); ok {
				n := c.microbatches(c.pp)
				prompt := Call{Batch: 1, New: 20}
				one, all := mixOf(c, nil, prompt), mixOf(c, nil, slices.Repeat([]Call{prompt}, n*c.dp)...)
				through, slowest := 0.0, 0.0
				for _, s := range together.stages {
					x := s.Mixed(one)
					through, slowest = through+x, max(slowest, x)
				}
				if got, want := p.Mixed(all), max(through, float64(n)*slowest); !close9(got, want) {
					t.Fatalf("%v: %d prompts take %g, their microbatches %g", f, n, got, want)
				}
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
