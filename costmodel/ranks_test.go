package costmodel

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/OWNER/ridgeline/arch"
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
