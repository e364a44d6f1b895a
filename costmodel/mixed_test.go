package costmodel

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// mixOf sums sequences of the contexts, and pieces of prompts.
func mixOf(c *Compiled, contexts []int, chunks ...Call) *Mix {
	m := &Mix{Decodes: len(contexts), Chunks: chunks}
	for _, w := range c.Windows() {
		seen, growing := 0.0, 0.0
		for _, n := range contexts {
			seen += float64(Seen(w, n))
			if more, ok := Grows(w, n); ok && more > 1 {
				growing++
			}
		}
		m.Seen, m.Growing = append(m.Seen, seen), append(m.Growing, growing)
	}
	for _, n := range contexts {
		m.Contexts += float64(n)
	}
	return m
}

// grown are the contexts some steps later.
func grown(contexts []int, steps int) []int {
	out := make([]int, len(contexts))
	for i := range out {
		out[i] = contexts[i] + steps
	}
	return out
}

// unfilled returns steps, or fewer where a window fills or a chunk ends, after which neither has happened in between.
func unfilled(c *Compiled, contexts []int, steps int) int {
	for _, w := range c.Windows() {
		for _, n := range contexts {
			if more, ok := Grows(w, n); ok {
				steps = min(steps, more)
			}
		}
	}
	return steps
}

func alike(n, context int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = context
	}
	return out
}

// A mixed step of sequences that are all alike is a step of the batch; of whole prompts, a
// prefill; of unlike sequences at roofline, one maximum an operation over the summed work of
// each; and a run is the sum of its steps.
func TestMixedSteps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileRandom(t)
		contexts := rapid.SliceOfN(rapid.IntRange(1, 300), 1, 20).Draw(t, "contexts")
		b, n := len(contexts), contexts[0]
		chunks := []Call{{Batch: rapid.IntRange(1, 3).Draw(t, "prompts"), New: rapid.IntRange(1, 200).Draw(t, "new"), Past: rapid.IntRange(0, 300).Draw(t, "past")}}
		for _, f := range []Fidelity{Limit, Roofline} {
			p := c.At(f)
			if got, want := p.Mixed(mixOf(c, alike(b, n))), p.Step(b, n); !close9(got, want) {
				t.Fatalf("%v: %d sequences of %d positions take %g mixed, %g as a batch", f, b, n, got, want)
			}
			w := Workload{Batch: chunks[0].Batch, Prompt: chunks[0].New}
			if got, want := p.Mixed(mixOf(c, nil, w.prefill())), p.Prefill(w); !close9(got, want) {
				t.Fatalf("%v: prompts alone take %g mixed, %g as a prefill", f, got, want)
			}
			// From the operations one by one, sequence by sequence.
			var compute, memory, link, sum float64
			for i := range c.prefill {
				g := &c.prefill[i]
				v := g.Op.basis(chunks[0])
				for _, n := range contexts {
					one := g.Op.basis(Call{Batch: 1, New: 1, Past: n - 1})
					for k := rows; k < hit; k++ {
						v[k] += one[k]
					}
				}
				if s := g.Shape; s.Experts > 0 {
					v[hit] = s.hits(v[g.Op.rowBasis()])
				}
				w, n := g.Op.work(&v), float64(g.Count)
				sum += n * c.opSeconds(&g.Op, &w)
				compute, memory, link = compute+n*w.FLOPs/c.peak(&g.Op), memory+n*c.memorySeconds(&g.Op, &w), link+n*w.Link/max(c.link, 1)
			}
			want := sum
			if f == Limit {
				want = max(compute, memory, link)
			}
			if got := p.Mixed(mixOf(c, contexts, chunks...)); !close9(got, want) {
				t.Fatalf("%v: mixed %g, operation by operation %g", f, got, want)
			}
			k := unfilled(c, contexts, rapid.IntRange(1, 200).Draw(t, "steps"))
			loop := 0.0
			for i := range k {
				loop += p.Mixed(mixOf(c, grown(contexts, i)))
			}
			if got := p.Run(mixOf(c, contexts), k); !close9(got, loop) {
				t.Fatalf("%v: a run of %d steps takes %g, its steps %g", f, k, got, loop)
			}
		}
	})
}

// More of anything costs no less, and padding costs what its rows do. Chunks are left out: behind
// the end of one a query sees less.
func TestMixedStepsGrow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := compileRandom(t)
		if w := c.Windows(); len(w) > 0 && w[0] < 0 {
			t.Skip("attention within chunks")
		}
		contexts := rapid.SliceOfN(rapid.IntRange(1, 300), 1, 20).Draw(t, "contexts")
		call := Call{Batch: 1, New: rapid.IntRange(1, 200).Draw(t, "new"), Past: rapid.IntRange(0, 300).Draw(t, "past")}
		for _, f := range []Fidelity{Limit, Roofline} {
			p := c.At(f)
			base := mixOf(c, contexts, call)
			t0 := p.Mixed(base)
			longer, later := call, call
			longer.New++
			later.Past++
			padded, bare := *base, *mixOf(c, contexts)
			padded.Padded = len(contexts) + 3
			for name, m := range map[string]*Mix{
				"a sequence": mixOf(c, append(contexts, 7), call), "contexts": mixOf(c, grown(contexts, 1), call), "a longer piece": mixOf(c, contexts, longer),
				"a later piece": mixOf(c, contexts, later), "two pieces": mixOf(c, contexts, call, call), "padding": &padded,
			} {
				if more := p.Mixed(m); more < t0*(1-1e-12) {
					t.Fatalf("%v: %s more costs %g, without %g", f, name, more, t0)
				}
			}
			if without := p.Mixed(&bare); without > t0*(1+1e-12) {
				t.Fatalf("%v: without a piece %g, with it %g", f, without, t0)
			}
			bare.Padded = len(contexts)
			if a, b := p.Mixed(&bare), p.Mixed(mixOf(c, contexts)); a != b {
				t.Fatalf("%v: padding to the sequences there are changes %g to %g", f, b, a)
			}
			bare.Padded = len(contexts) + 50
			if wide, most := p.Mixed(&bare), p.Mixed(mixOf(c, append(contexts, alike(50, 300)...))); wide > most*(1+1e-12) {
				t.Fatalf("%v: 50 rows of padding cost %g, 50 sequences %g", f, wide, most)
			}
		}
	})
}

func TestMixedCalibrated(t *testing.T) {
	calibratedCases(t, func(name string, c *Compiled) {
		p := c.At(Calibrated)
		near := func(what string, got, want, by float64) {
			t.Helper()
			if math.Abs(got/want-1) > by {
				t.Errorf("%s: %s: %g, want %g", name, what, got, want)
			}
		}
		for _, b := range []int{1, 5, 64} {
			for _, n := range []int{1, 100, 513, 30000} {
				near("sequences alike", p.Mixed(mixOf(c, alike(b, n))), p.Step(b, n), 1e-9)
				near("whole prompts", p.Mixed(mixOf(c, nil, Call{Batch: b, New: n})), p.Prefill(Workload{Batch: b, Prompt: n}), 1e-9)
			}
		}
		for _, contexts := range [][]int{{100, 3000}, {20, 511, 513, 9000}, {1000, 1001, 1500}, {16384, 70000}} {
			for _, steps := range []int{1, 2, 23, 24, 25, 700, 5000} {
				k := unfilled(c, contexts, steps)
				loop := 0.0
				for i := range k {
					loop += p.Mixed(mixOf(c, grown(contexts, i)))
				}
				near("a run", p.Run(mixOf(c, contexts), k), loop, 1e-3)
			}
		}
		// A piece costs more the later it comes. Pieces may take a little less than the whole:
		// on the L40S the largest products are timed at a lower rate than those of 1,024 rows.
		whole := p.Prefill(Workload{Batch: 1, Prompt: 8192})
		pieces, before := 0.0, 0.0
		for past := 0; past < 8192; past += 1024 {
			x := p.Mixed(mixOf(c, nil, Call{Batch: 1, New: 1024, Past: past}))
			if x < 0.98*before {
				t.Errorf("%s: a piece after %d positions takes %g, the one before %g", name, past, x, before)
			}
			pieces, before = pieces+x, x
		}
		if pieces < 0.85*whole || pieces > 4*whole {
			t.Errorf("%s: eight pieces of 1,024 take %g, 8,192 at once %g", name, pieces, whole)
		}
		base := mixOf(c, []int{100, 2000, 7000}, Call{Batch: 1, New: 502, Past: 1000})
		t0 := p.Mixed(base)
		for what, m := range map[string]*Mix{
			"a sequence": mixOf(c, []int{100, 2000, 7000, 3000}, Call{Batch: 1, New: 502, Past: 1000}),
			"a piece":    mixOf(c, []int{100, 2000, 7000}, Call{Batch: 1, New: 502, Past: 1000}, Call{Batch: 1, New: 502}),
			"contexts":   mixOf(c, []int{200, 4000, 14000}, Call{Batch: 1, New: 502, Past: 1000}),
			"positions":  mixOf(c, []int{100, 2000, 7000}, Call{Batch: 1, New: 1002, Past: 1000}),
		} {
			if more := p.Mixed(m); more < 0.98*t0 {
				t.Errorf("%s: %s more takes %g, without %g", name, what, more, t0)
			}
		}
		if r := c.At(Roofline).Mixed(base); r > t0*(1+1e-12) {
			t.Errorf("%s: a mixed step of %g below its roofline of %g", name, t0, r)
		}
	})
}

func TestMixedAllocatesNothing(t *testing.T) {
	c := compiled(t, "phi4-mini-flash", "h200", Options{})
	decodes, both := mixOf(c, []int{100, 700, 9000}), mixOf(c, []int{100, 700, 9000}, Call{Batch: 1, New: 512, Past: 2048})
	for _, f := range []Fidelity{Limit, Roofline, Calibrated} {
		c.At(f)
		if n := testing.AllocsPerRun(20, func() {
			p := c.At(f)
			p.Mixed(decodes)
			p.Mixed(both)
			p.Run(decodes, 300)
		}); n != 0 {
			t.Errorf("%v: %g allocations", f, n)
		}
	}
}

func BenchmarkMixed(b *testing.B) {
	c := compiled(b, "phi4-mini-flash", "h200", Options{})
	for _, f := range []Fidelity{Roofline, Calibrated} {
		p := c.At(f)
		for name, m := range map[string]*Mix{"decode": mixOf(c, []int{100, 700, 9000}), "chunk": mixOf(c, []int{100, 700, 9000}, Call{Batch: 1, New: 512, Past: 2048})} {
			b.Run(f.String()+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					sink += p.Mixed(m)
				}
			})
		}
	}
}

// What is remembered changes no step, in whatever order steps come.
func TestRemember(t *testing.T) {
	for _, model := range []string{"llama-3.1-8b", "phi4-mini-flash", "mixtral-8x7b", "gpt-oss-20b"} {
		c := compiled(t, model, "h200", Options{})
		p := c.At(Calibrated)
		r := Remember(p)
		w := c.Windows()
		for range 2 {
			for i := range 60 {
				b := 1 + i*7%23
				m := Mix{Decodes: b, Contexts: float64(b * (100 + 37*i)), Padded: b + i%3}
				for range w {
					m.Seen, m.Growing = append(m.Seen, float64(b*(50+i))), append(m.Growing, float64(i%b))
				}
				same(t, model+": a run", r.Run(&m, 1+i), p.Run(&m, 1+i))
				m.Chunks = append(m.Chunks, Call{1, 1 + 40*(i%9), 16 * (i % 5)}, Call{1, 3, 0})
				same(t, model+": a mixed step", r.Mixed(&m), p.Mixed(&m))
			}
		}
	}
}

func same(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-12*want {
		t.Fatalf("%s takes %.15g s remembered, %.15g s anew", what, got, want)
	}
}
