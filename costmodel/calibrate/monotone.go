package calibrate

import (
	"context"
	"math"

	"ridgeline/precision"
)

// More work should not take less time. Timings say otherwise here and there (a library
// picks another kernel, a cell was timed on a busy day), and corrections smoothed from
// few rows wander. So a fit is asked about pairs of shapes, one with twice the work of
// the other in one respect, and where the larger comes out faster both are pulled to the
// time between, as if they had been measured there; the corrections are then smoothed
// anew. A few rounds leave only what many rows insist on.

// dip is how much less, in the logarithm, the larger shape may take.
const dip = 0.005

// straighten invents rows at the shapes of a lattice where the fitted model has more
// work take less time, and smooths the corrections with them.
func straighten[S any](ctx context.Context, m fitted[S], d *device, rows []Row, rounds int) error {
	rows = rows[:len(rows):len(rows)]
	before := math.MaxInt
	invent := func(s S, log float64) {
		var r Row
		*m.shape(&r) = s
		r.Seconds = math.Exp(log)
		rows = append(rows, r)
	}
	for range rounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		found := 0
		m.lattice(func(small, large S) {
			a, b := logTime(m, d, &small), logTime(m, d, &large)
			if b < a-dip {
				found++
				invent(small, (a+b)/2-dip)
				invent(large, (a+b)/2+dip)
			}
		})
		if found == 0 || float64(found) > 0.97*float64(before) {
			break // nothing left, or what is left is the physics': tiles, waves, splits
		}
		before = found
		smoothAll(m, d, rows)
	}
	return nil
}

func logTime[S any](m fitted[S], d *device, s *S) float64 {
	return math.Log(m.physics(d, s)) + m.correct(s)
}

// Dips counts the pairs of like shapes, one with twice the work of the other in one
// respect, and how many of them have the larger predicted more than 2 % faster; worst is
// the least ratio of larger to smaller.
func (p *Profile) Dips(c Class) (pairs, dips int, worst float64) {
	switch c {
	case ClassGEMM:
		return countDips(p.gemm.get(), &p.device)
	case ClassDecode:
		return countDips(p.decode.get(), &p.device)
	case ClassPrefill:
		return countDips(p.prefill.get(), &p.device)
	case ClassDeltaNet, ClassMamba2:
		return countDips(p.recurrent.get(), &p.device)
	default:
		return countDips(p.allReduce.get(), &p.device)
	}
}

func countDips[S any](m fitted[S], d *device) (pairs, dips int, worst float64) {
	worst = 1
	m.lattice(func(small, large S) {
		pairs++
		r := math.Exp(logTime(m, d, &large) - logTime(m, d, &small))
		if r < 0.98 {
			dips++
		}
		worst = min(worst, r)
	})
	return pairs, dips, worst
}

// each pairs a shape with what each of the growths makes of it.
func each[S any](pair func(small, large S), small S, growths ...func(*S)) {
	for _, grow := range growths {
		large := small
		grow(&large)
		pair(small, large)
	}
}

// doublings calls f with 2^lo … 2^hi.
func doublings(lo, hi int, f func(float64)) {
	for e := lo; e <= hi; e++ {
		f(math.Ldexp(1, e))
	}
}

func (m *gemmModel) lattice(pair func(small, large GEMM)) {
	for _, dt := range []precision.DType{precision.BF16, precision.FP8} {
		doublings(0, 14, func(rows float64) {
			doublings(7, 15, func(n float64) {
				doublings(7, 15, func(k float64) {
					s := GEMM{M: rows, N: n, K: k, DType: dt}
					// Eight rows and more run on kernels that fewer do not.
					if rows != 4 {
						each(pair, s, func(l *GEMM) { l.M *= 2 })
					}
					each(pair, s, func(l *GEMM) { l.N *= 2 }, func(l *GEMM) { l.K *= 2 })
				})
			})
		})
	}
}

func (m *decodeModel) lattice(pair func(small, large DecodeAttention)) {
	for _, dt := range []precision.DType{precision.BF16, precision.FP8} {
		for _, dim := range []float64{64, 128, 256} {
			for _, window := range []float64{0, 128, 1024} {
				doublings(0, 9, func(batch float64) {
					doublings(0, 5, func(kv float64) {
						doublings(0, 3, func(group float64) {
							doublings(4, 17, func(context float64) {
								s := DecodeAttention{Batch: batch, Heads: kv * group, KVHeads: kv, HeadDim: dim, Window: window, Context: context, KVDType: dt}
								each(pair, s, func(l *DecodeAttention) { l.Batch *= 2 }, func(l *DecodeAttention) { l.Context *= 2 },
									func(l *DecodeAttention) { l.Heads, l.KVHeads = 2*l.Heads, 2*l.KVHeads })
							})
						})
					})
				})
			}
		}
	}
}

func (m *prefillModel) lattice(pair func(small, large PrefillAttention)) {
	for _, dim := range []float64{64, 128, 256} {
		for _, window := range []float64{0, 128, 1024} {
			doublings(0, 8, func(batch float64) {
				doublings(0, 5, func(kv float64) {
					doublings(0, 3, func(group float64) {
						doublings(4, 15, func(prompt float64) {
							s := PrefillAttention{Batch: batch, Heads: kv * group, KVHeads: kv, HeadDim: dim, Window: window, Prompt: prompt}
							each(pair, s, func(l *PrefillAttention) { l.Batch *= 2 }, func(l *PrefillAttention) { l.Prompt *= 2 },
								func(l *PrefillAttention) { l.Heads, l.KVHeads = 2*l.Heads, 2*l.KVHeads })
						})
					})
				})
			})
		}
	}
}

func (m *recurrentModel) lattice(pair func(small, large Recurrent)) {
	for k := range kernels {
		doublings(0, 9, func(batch float64) {
			doublings(0, 13, func(tokens float64) {
				if k.Step() && tokens > 1 || !k.Step() && batch*tokens > 1<<17 {
					return
				}
				doublings(3, 6, func(heads float64) {
					s := Recurrent{Kernel: k, Batch: batch, Tokens: tokens, KeyHeads: heads / 2, KeyDim: 128, ValueHeads: heads, ValueDim: 128, Conv: 4}
					if k.Class() == ClassMamba2 {
						s.KeyHeads, s.ValueDim, s.Chunk = 8, 64, 128
					}
					each(pair, s, func(l *Recurrent) { l.Batch *= 2 }, func(l *Recurrent) { l.ValueHeads *= 2 })
					if !k.Step() {
						each(pair, s, func(l *Recurrent) { l.Tokens *= 2 })
					}
				})
			})
		})
	}
}

func (m *allReduceModel) lattice(pair func(small, large AllReduce)) {
	for _, eager := range []bool{false, true} {
		for _, gpus := range []float64{2, 4, 8} {
			doublings(8, 29, func(bytes float64) {
				each(pair, AllReduce{GPUs: gpus, Bytes: bytes, Eager: eager}, func(l *AllReduce) { l.Bytes *= 2 })
			})
		}
	}
}
