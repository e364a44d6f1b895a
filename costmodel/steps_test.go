package costmodel

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"strconv"
	"testing"

	"github.com/OWNER/ridgeline/execution"
)

// Whole decode steps of the two Phi-4-mini models, timed by ourselves with kernels
// (Mamba-1, differential and cross-attention, GMU) that nobody has published timings of:
// steps and the speedup between the models, on a GPU that no profile was fitted to and on
// one whose single kernels were.
func TestPhi4StepsOnGPUs(t *testing.T) {
	t.Run("h100-sxm", func(t *testing.T) { phi4Steps(t, "h100-sxm", "testdata/steps/decode_h100.csv") })
	t.Run("h200", func(t *testing.T) { phi4Steps(t, "h200", "testdata/steps/decode_h200.csv") })
}

func phi4Steps(t *testing.T, on, file string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	type step struct{ measured, calibrated, roofline float64 }
	mini := map[string]step{}
	var steps, speedups, rooflines []float64
	inside := 0
	off := func(predicted, measured float64) float64 { return math.Abs(predicted/measured - 1) }
	for _, r := range rows[1:] {
		model, kernel := r[0], r[1]
		b, err1 := strconv.Atoi(r[2])
		n, err2 := strconv.Atoi(r[3])
		ms, err3 := strconv.ParseFloat(r[4], 64)
		if err1 != nil || err2 != nil || err3 != nil {
			t.Fatal(r)
		}
		// A captured step launches as TensorRT-LLM does and has no host time.
		o := Options{Engine: "trtllm"}
		if kernel == "per_query_head" {
			o.KVRead = execution.PerQueryHead
		}
		c := compiled(t, model, on, o)
		s := step{ms, 1e3 * (c.At(Calibrated).Step(b, n) - c.EngineSeconds(b)), 1e3 * c.At(Roofline).Step(b, n)}
		if e := c.calibrated().(*calibrated).interval(float64(b), float64(n)); ms >= 1e3*(e.Low-c.EngineSeconds(b)) && ms <= 1e3*(e.High-c.EngineSeconds(b)) {
			inside++
		}
		steps = append(steps, off(s.calibrated, ms))
		rooflines = append(rooflines, off(s.roofline, ms))
		t.Logf("%-15s %-14s batch %2d context %5d: measured %5.2f ms, calibrated %5.2f, roofline %5.2f", model, kernel, b, n, ms, s.calibrated, s.roofline)
		if model == "phi4-mini" {
			mini[fmt.Sprint(kernel, b, n)] = s
			continue
		}
		for _, k := range []string{"packed", "per_query_head"} {
			if m, ok := mini[fmt.Sprint(k, b, n)]; ok {
				measured, calibrated := m.measured/ms, m.calibrated/s.calibrated
				speedups = append(speedups, off(calibrated, measured))
				t.Logf("   %.2f× as fast as phi4-mini, %s; calibrated %.2f×, roofline %.2f×", measured, k, calibrated, m.roofline/s.roofline)
			}
		}
	}
	average := func(v []float64) (sum float64) {
		for _, x := range v {
			sum += x / float64(len(v))
		}
		return sum
	}
	t.Logf("%d of %d steps inside their interval", inside, len(steps))
	t.Logf("mean error: steps %.1f %%, roofline %.1f %%, speedups %.1f %%", 100*average(steps), 100*average(rooflines), 100*average(speedups))
	if e := average(steps); e > 0.10 {
		t.Errorf("steps are %.3f off in the mean, want at most 0.10", e)
	}
	if e := average(speedups); e > 0.10 {
		t.Errorf("speedups are %.3f off in the mean, want at most 0.10", e)
	}
}
