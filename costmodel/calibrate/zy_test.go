package calibrate

import (
	"fmt"
	"math"
	"testing"
)

func TestZY(t *testing.T) {
	for _, p := range embedded() {
		w := 0.9
		p.gemm.lattice(func(a, b GEMM) {
			r := math.Exp(logTime(&p.gemm, &p.device, &b) - logTime(&p.gemm, &p.device, &a))
			if r < w {
				w = r
				fmt.Printf("%s %.3f %+v %+v t %.1f phys %.2f %.2f\n", p.hardware, r, a, b, p.GEMM(a).Seconds*1e6, p.gemm.physics(&p.device, &a)*1e6, p.gemm.physics(&p.device, &b)*1e6)
			}
		})
		w = 0.9
		h := map[string]int{}
		p.decode.lattice(func(a, b DecodeAttention) {
			r := math.Exp(logTime(&p.decode, &p.device, &b) - logTime(&p.decode, &p.device, &a))
			if r < .98 {
				k := fmt.Sprint("w", a.Window, " ", a.KVDType)
				if b.Context > a.Context {
					k += " ctx"
				} else if b.Batch > a.Batch {
					k += " batch"
				} else {
					k += " kv"
				}
				h[k]++
			}
			if r < w {
				w = r
				fmt.Printf("%s %.3f %+v %+v t %.1f phys %.2f %.2f\n", p.hardware, r, a, b, p.DecodeAttention(a).Seconds*1e6, p.decode.physics(&p.device, &a)*1e6, p.decode.physics(&p.device, &b)*1e6)
			}
		})
		fmt.Println(h)
	}
}
