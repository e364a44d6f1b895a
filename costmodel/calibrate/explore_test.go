package calibrate

import (
	"context"
	"fmt"
	"math"
	"os"
	"sort"
	"testing"
	"time"
)

var devs = map[string]device{
	"a100-80gb": {Peak: [2]float64{312e12, 624e12}, Bandwidth: 2.039e12, Cache: 40e6, Units: 108},
	"h200":      {Peak: [2]float64{989e12, 1979e12}, Bandwidth: 4.8e12, Cache: 50e6, Units: 132},
	"b200":      {Peak: [2]float64{2250e12, 4500e12}, Bandwidth: 8e12, Cache: 126e6, Units: 148},
	"l40s":      {Peak: [2]float64{362e12, 733e12}, Bandwidth: 864e9, Cache: 96e6, Units: 142},
}

func mape(r []float64) (mean, med, p90 float64) {
	a := make([]float64, len(r))
	for i := range r {
		a[i] = math.Abs(math.Expm1(-r[i]))
		mean += a[i] / float64(len(r))
	}
	sort.Float64s(a)
	return mean * 100, a[len(a)/2] * 100, a[len(a)*9/10] * 100
}

func TestExplore(t *testing.T) {
	tabs, err := ReadDir(os.Getenv("MEASURED"))
	if err != nil {
		t.Skip(err)
	}
	for _, tb := range tabs {
		d := devs[tb.Hardware]
		if os.Getenv("CLASS") != "" && os.Getenv("CLASS") != tb.Class.String() {
			continue
		}
		start := time.Now()
		var x []sample
		tab := &table{}
		var sm smoothing
		switch tb.Class {
		case ClassGEMM:
			tab.Slices = 2
			tab.Axes = [4]axis{{N: 1}, {0, 2, 27}, {5, 2, 23}, {5, 2, 23}}
			sm = smoothing{Axis: [4]float64{0, .1, .1, .1}, Slice: .02, Ridge: 1e-4, Tail: .03}
			for f := range 2 {
				var rows []Row
				for _, r := range tb.Rows {
					if g, _ := formatSlice(r.GEMM.DType); g == f {
						rows = append(rows, r)
					}
				}
				if len(rows) == 0 {
					continue
				}
				c := newGEMMCurve()
				if f == 1 {
					c.Convert, c.Row, c.Depth = 2e-12, 5e-9, 10000
				}
				res := func(r *Row) float64 { return math.Log(r.Seconds / c.seconds(&d, &r.GEMM, f)) }
				minimise(context.Background(), c.params(), 1500, func() float64 {
					l := 0.0
					for i := range rows {
						l += robust(res(&rows[i]))
					}
					return l / float64(len(rows))
				})
				fmt.Printf("%+v\n", c)
				for i := range rows {
					g := rows[i].GEMM
					x = append(x, sample{f, [4]float64{1, g.M, g.N, g.K}, res(&rows[i])})
				}
			}
		case ClassDecode:
			tab.Slices = 4
			tab.Axes = [4]axis{{6, 1, 3}, {0, 1, 18}, {0, 1, 7}, {1, 1, 17}}
			sm = smoothing{Axis: [4]float64{.1, .1, .1, .1}, Slice: .02, Ridge: 1e-4, Tail: .03}
			for f := range 2 {
				var rows []Row
				for _, r := range tb.Rows {
					if g, _ := formatSlice(r.Decode.KVDType); g == f {
						rows = append(rows, r)
					}
				}
				if len(rows) == 0 {
					continue
				}
				c := newDecodeCurve()
				res := func(r *Row) float64 { return math.Log(r.Seconds / c.seconds(&d, &r.Decode, f)) }
				minimise(context.Background(), c.params(), 2000, func() float64 {
					l := 0.0
					for i := range rows {
						l += robust(res(&rows[i]))
					}
					return l / float64(len(rows))
				})
				fmt.Printf("%+v\n", c)
				for i := range rows {
					g := rows[i].Decode
					sl := f
					if g.Window > 0 {
						sl += 2
					}
					x = append(x, sample{sl, [4]float64{g.HeadDim, g.Batch * g.KVHeads, g.Heads / g.KVHeads, g.Visible()}, res(&rows[i])})
				}
			}
		case ClassPrefill:
			tab.Slices = 2
			tab.Axes = [4]axis{{6, 1, 3}, {0, 1, 16}, {0, 1, 7}, {0, 2, 29}}
			sm = smoothing{Axis: [4]float64{.1, .1, .1, .1}, Slice: .02, Ridge: 1e-4, Tail: .03}
			rows := tb.Rows
			c := newPrefillCurve()
			res := func(r *Row) float64 { return math.Log(r.Seconds / c.seconds(&d, &r.Prefill)) }
			minimise(context.Background(), c.params(), 2000, func() float64 {
				l := 0.0
				for i := range rows {
					l += robust(res(&rows[i]))
				}
				return l / float64(len(rows))
			})
			fmt.Printf("%+v\n", c)
			for i := range rows {
				g := rows[i].Prefill
				sl := 0
				if g.Window > 0 {
					sl = 1
				}
				x = append(x, sample{sl, [4]float64{g.HeadDim, g.Batch * g.Heads, g.Heads / g.KVHeads, g.Prompt}, res(&rows[i])})
			}
		case ClassDeltaNet, ClassMamba2:
			tab.Slices = 8
			tab.Axes = [4]axis{{N: 1}, {0, 1, 11}, {0, 1, 16}, {8, 1, 8}}
			sm = smoothing{Axis: [4]float64{.1, .1, .1, .1}, Slice: 0, Ridge: 1e-4, Tail: .03}
			for f := range kernels {
				var rows []Row
				for _, r := range tb.Rows {
					if r.Recurrent.Kernel == f {
						rows = append(rows, r)
					}
				}
				if len(rows) == 0 {
					continue
				}
				c := newRecurrentCurve()
				res := func(r *Row) float64 { return math.Log(r.Seconds / c.seconds(&d, &r.Recurrent)) }
				minimise(context.Background(), c.params(), 2000, func() float64 {
					l := 0.0
					for i := range rows {
						l += robust(res(&rows[i]))
					}
					return l / float64(len(rows))
				})
				fmt.Printf("%+v\n", c)
				for i := range rows {
					g := rows[i].Recurrent
					w := g.Channels()
					x = append(x, sample{int(f), [4]float64{1, g.Batch, g.Tokens, w}, res(&rows[i])})
				}
			}
		default:
			continue
		}
		var all []float64
		for i := range x {
			all = append(all, x[i].residual)
		}
		m, md, p := mape(all)
		fmt.Printf("%s physics mape %.1f med %.1f p90 %.1f  (%.1fs)\n", tb.File, m, md, p, time.Since(start).Seconds())
		ncv := 1
		worst := func(tr []sample, rs []float64) {
			// by slice and measured-size
			by := map[string][]float64{}
			for i := range tr {
				k := fmt.Sprintf("slice %d", tr[i].slice)
				by[k] = append(by[k], rs[i])
				for a := range 4 {
					if os.Getenv("AXIS") == fmt.Sprint(a) {
						k := fmt.Sprintf("slice %d axis %d %7.0f", tr[i].slice, a, tr[i].x[a])
						by[k] = append(by[k], rs[i])
					}
				}
			}
			var ks []string
			for k := range by {
				ks = append(ks, k)
			}
			sort.Strings(ks)
			for _, k := range ks {
				m, md, p := mape(by[k])
				bias := 0.0
				for _, r := range by[k] {
					bias += r / float64(len(by[k]))
				}
				fmt.Printf("      %s n=%d mape %.2f med %.2f p90 %.1f bias %.3f\n", k, len(by[k]), m, md, p, bias)
			}
			if os.Getenv("WORST") != "" {
				id := make([]int, len(tr))
				for i := range id {
					id[i] = i
				}
				sort.Slice(id, func(a, b int) bool { return math.Abs(rs[id[a]]) > math.Abs(rs[id[b]]) })
				for _, i := range id[:40] {
					fmt.Printf("        %d %v res %.2f left %.2f\n", tr[i].slice, tr[i].x, tr[i].residual, rs[i])
				}
			}
		}
		for _, lam := range []float64{.003, .01, .03} {
			for _, tail := range []float64{0.03} {
				var out []float64
				var outs []sample
				s2 := sm
				for i := range s2.Axis {
					s2.Axis[i] = lam
				}
				s2.Tail = tail
				start := time.Now()
				for fold := range ncv {
					var train, test []sample
					for i := range x {
						if (uint32(i)*2654435761>>16)%5 == uint32(fold) {
							test = append(test, x[i])
						} else {
							train = append(train, x[i])
						}
					}
					tab.smooth(train, s2)
					for i := range test {
						outs = append(outs, test[i])
						out = append(out, test[i].residual-tab.at(test[i].slice, &test[i].x))
					}
				}
				m, md, p := mape(out)
				fmt.Printf("   lam %.3f tail %.2f: cv mape %.2f med %.2f p90 %.1f (%.1fs)\n", lam, tail, m, md, p, time.Since(start).Seconds())
				if lam == .01 {
					worst(outs, out)
				}
			}
		}
	}
}
