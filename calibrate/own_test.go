package calibrate

import (
	"encoding/csv"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/OWNER/ridgeline/costmodel/kerneltime"
	"github.com/OWNER/ridgeline/precision"
)

// A GPU that no profile was fitted to, timed by ourselves: products within what is said
// of transferred predictions, and nine in ten of them inside their interval.
func TestTransferToTheH100(t *testing.T) {
	tab, err := ReadFile("testdata/own/gemm_h100.csv")
	if err != nil {
		t.Fatal(err)
	}
	p, err := kerneltime.For(lookup(t, "h100-sxm"))
	if err != nil {
		t.Fatal(err)
	}
	e := Check(p, []Table{tab})[0]
	t.Logf("%d products: mean error %.1f %%, median %.1f %%, %.1f %% inside their interval, roofline %.1f %% off", e.Rows, 100*e.MAPE, 100*e.MedianAPE, 100*e.Coverage, 100*e.Roofline)
	if e.MAPE > 0.10 {
		t.Errorf("mean error %.3f, want at most 0.10", e.MAPE)
	}
	if e.Coverage < 0.85 || e.Coverage > 0.98 {
		t.Errorf("%.3f of the products lie inside a 90 %% interval", e.Coverage)
	}
}

// A Gated Memory Unit, which nobody has published timings of, is two products and two
// streaming kernels.
func TestGMUOnGPUs(t *testing.T) {
	t.Run("h100-sxm", func(t *testing.T) { gmu(t, "h100-sxm", "testdata/own/gmu_h100.csv") })
	t.Run("h200", func(t *testing.T) { gmu(t, "h200", "testdata/own/gmu_h200.csv") })
}

func gmu(t *testing.T, on, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	p, err := kerneltime.For(lookup(t, on))
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, r := range rows[1:] {
		var v [4]float64
		for i := range v {
			if v[i], err = strconv.ParseFloat(r[i], 64); err != nil {
				t.Fatal(err)
			}
		}
		b, width, mem := v[0], v[1], v[2]
		in := kerneltime.GEMM{M: b, N: mem, K: width, DType: precision.BF16}
		out := kerneltime.GEMM{M: b, N: width, K: mem, DType: precision.BF16}
		apart := kerneltime.Stream{Kernel: kerneltime.StreamGateApart, Width: mem, Bytes: 10 * b * mem}
		got := 1e6 * (p.GEMMSeconds(&in) + p.GEMMSeconds(&out) + p.StreamSeconds(&apart, 0))
		t.Logf("batch %4g, %4g wide, memory %4g: measured %6.1f µs, predicted %6.1f (%+.0f %%)", b, width, mem, v[3], got, 100*(got/v[3]-1))
		sum += math.Abs(got/v[3] - 1)
	}
	if mean := sum / float64(len(rows)-1); mean > 0.10 {
		t.Errorf("mean error %.3f, want at most 0.10", mean)
	} else {
		t.Logf("mean error %.1f %%", 100*mean)
	}
}
