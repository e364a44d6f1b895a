package calibrate

import (
	"fmt"
	"os"
	"testing"

	"ridgeline/precision"
)

func TestMonoExplore(t *testing.T) {
	for _, n := range []string{"a100-80gb", "h200", "b200", "l40s"} {
		b, err := os.ReadFile("/tmp/prof_" + n + ".yaml")
		if err != nil {
			t.Skip(err)
		}
		p, err := Parse(n, b)
		if err != nil {
			t.Fatal(err)
		}
		rep := func(what string, a, bb float64, worst *float64, tot, bad *int, s any) {
			*tot++
			if bb < 0.98*a {
				*bad++
				if bb/a < *worst {
					*worst = bb / a
					fmt.Printf("   %s %s %.3f %+v\n", n, what, bb/a, s)
				}
			}
		}
		for _, dt := range []precision.DType{precision.BF16, precision.FP8} {
			w, tot, bad := [3]float64{1, 1, 1}, 0, 0
			for m := 1.0; m <= 16384; m *= 2 {
				for nn := 512.0; nn <= 32768; nn *= 2 {
					for k := 512.0; k <= 32768; k *= 2 {
						s := GEMM{M: m, N: nn, K: k, DType: dt}
						a := p.GEMM(s).Seconds
						for i, u := range []GEMM{{m * 2, nn, k, dt}, {m, nn * 2, k, dt}, {m, nn, k * 2, dt}} {
							rep("gemm "+"MNK"[i:i+1], a, p.GEMM(u).Seconds, &w[i], &tot, &bad, s)
						}
					}
				}
			}
			fmt.Println(n, "gemm", dt, tot, bad, w)
		}
		for _, dt := range []precision.DType{precision.BF16, precision.FP8} {
			w, tot, bad := [3]float64{1, 1, 1}, 0, 0
			for b := 1.0; b <= 256; b *= 2 {
				for g := 1.0; g <= 8; g *= 2 {
					for kv := 1.0; kv <= 32; kv *= 2 {
						for c := 16.0; c <= 131072; c *= 2 {
							for _, win := range []float64{0, 512, 2048} {
								s := DecodeAttention{b, kv * g, kv, 128, win, c, dt}
								a := p.DecodeAttention(s).Seconds
								for i, u := range []DecodeAttention{{b * 2, kv * g, kv, 128, win, c, dt}, {b, kv * g * 2, kv * 2, 128, win, c, dt}, {b, kv * g, kv, 128, win, c * 2, dt}} {
									rep("decode "+"BHC"[i:i+1], a, p.DecodeAttention(u).Seconds, &w[i], &tot, &bad, s)
								}
							}
						}
					}
				}
			}
			fmt.Println(n, "decode", dt, tot, bad, w)
		}
		w, tot, bad := [3]float64{1, 1, 1}, 0, 0
		for b := 1.0; b <= 64; b *= 2 {
			for g := 1.0; g <= 8; g *= 2 {
				for kv := 1.0; kv <= 32; kv *= 2 {
					for c := 16.0; c <= 16384; c *= 2 {
						for _, win := range []float64{0, 512} {
							s := PrefillAttention{b, kv * g, kv, 128, win, c}
							a := p.PrefillAttention(s).Seconds
							for i, u := range []PrefillAttention{{b * 2, kv * g, kv, 128, win, c}, {b, kv * g * 2, kv * 2, 128, win, c}, {b, kv * g, kv, 128, win, c * 2}} {
								rep("prefill "+"BHC"[i:i+1], a, p.PrefillAttention(u).Seconds, &w[i], &tot, &bad, s)
							}
						}
					}
				}
			}
		}
		fmt.Println(n, "prefill", tot, bad, w)
	}
}
